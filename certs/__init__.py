"""Development certificates: an authority, node certificates, and what a certificate says.

names.py    the names that a certificate may carry, and the URI that carries them
making.py   an authority, and a node's certificate and key
reading.py  names, validity and key of a certificate; who signed it
files.py    new files only: never overwritten, never half written, keys readable by one user
errors.py   what can go wrong
"""

from certs.errors import CertificateError as CertificateError
from certs.errors import FileInTheWay as FileInTheWay
from certs.errors import NameRefused as NameRefused
from certs.errors import NotMade as NotMade
from certs.errors import NotReadable as NotReadable
from certs.making import Credential as Credential
from certs.making import credential as credential
from certs.making import make_authority as make_authority
from certs.making import make_certificates as make_certificates
from certs.making import make_node_certificate as make_node_certificate
from certs.names import is_cluster_name as is_cluster_name
from certs.names import is_node_name as is_node_name
from certs.names import node_uri as node_uri
from certs.reading import Certificate as Certificate
from certs.reading import is_signed_by as is_signed_by
from certs.reading import key_fingerprint as key_fingerprint
from certs.reading import read_certificate as read_certificate
from certs.reading import validity as validity
