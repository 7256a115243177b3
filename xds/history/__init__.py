"""What has happened: generations of the past, objects as they were before."""
