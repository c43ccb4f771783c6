"""One file per migration, the oldest first."""
