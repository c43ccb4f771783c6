"""What recurring jobs remember: a pure state machine and a database, the same in a script and behind a server."""
