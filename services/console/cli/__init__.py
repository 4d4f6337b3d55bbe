"""The command line `mail-automator`."""
