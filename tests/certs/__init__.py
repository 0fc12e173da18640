"""Development certificates: made, read, refused."""
