"""What can go wrong with certificates."""


class CertificateError(Exception):
    """Any trouble with a certificate or its key; the message says what to do."""


class NameRefused(CertificateError):
    """A node or cluster name that no certificate may carry."""


class FileInTheWay(CertificateError):
    """A file that would have been overwritten."""


class NotMade(CertificateError):
    """What was asked for contradicts the authority that would sign it."""


class NotReadable(CertificateError):
    """Bytes that are no certificate or key of this cluster's kind."""
