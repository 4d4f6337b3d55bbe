"""The only door to SMTP: nothing else imports aiosmtplib."""
