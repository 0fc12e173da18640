"""The operating system's files and locks."""

from storage.io.disk import FileDisk as FileDisk
from storage.io.lock import LOCK_NAME as LOCK_NAME
from storage.io.lock import DirectoryLock as DirectoryLock
