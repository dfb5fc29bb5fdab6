"""One module per command; its name is that of the command."""
