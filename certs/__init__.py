"""Development certificates: an authority, node certificates, and what a certificate says."""
