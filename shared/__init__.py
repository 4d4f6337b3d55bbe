"""What the services stand on. Nothing here may import a service."""
