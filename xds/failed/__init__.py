"""What fails: requests and connections that went wrong, as the proxies that saw them tell, kept within bounds."""
