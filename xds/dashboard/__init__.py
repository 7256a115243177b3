"""The dashboard: one page that draws what the admin pages tell, and the answers that it needs beside them."""
