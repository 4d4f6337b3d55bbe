"""What people and programs use: the command line now; pages and API beside it."""
