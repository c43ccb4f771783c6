"""Files and messages: how facts enter and leave the package."""
