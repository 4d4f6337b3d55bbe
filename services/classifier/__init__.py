"""email.accepted -> email.classified: finds service, process, department and priority."""
