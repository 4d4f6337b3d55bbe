"""The only door to MongoDB: nothing else imports motor. One repository per collection."""
