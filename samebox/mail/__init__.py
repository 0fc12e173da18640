"""mbox and Maildir as values: formats and names, without a file being touched."""

from samebox.mail.errors import MailError as MailError
from samebox.mail.errors import NotMbox as NotMbox
from samebox.mail.errors import TooManyKeywords as TooManyKeywords
from samebox.mail.identity import import_client as import_client
from samebox.mail.identity import number_of as number_of
from samebox.mail.maildir import KEYWORDS_FILE as KEYWORDS_FILE
from samebox.mail.maildir import file_name as file_name
from samebox.mail.maildir import flags_of as flags_of
from samebox.mail.maildir import folder_name as folder_name
from samebox.mail.maildir import folder_path as folder_path
from samebox.mail.maildir import keywords_text as keywords_text
from samebox.mail.maildir import order as order
from samebox.mail.maildir import read_keywords as read_keywords
from samebox.mail.maildir import split_name as split_name
from samebox.mail.maildir import with_keywords as with_keywords
from samebox.mail.mbox import MboxReader as MboxReader
from samebox.mail.mbox import MboxWriter as MboxWriter
from samebox.mail.message import Began as Began
from samebox.mail.message import Content as Content
from samebox.mail.message import Ended as Ended
from samebox.mail.message import Event as Event
from samebox.mail.message import Skim as Skim
from samebox.mail.quoting import Quoting as Quoting
