"""One file for each study: its function ``exhibits(data)``, and what only it needs beside it."""
