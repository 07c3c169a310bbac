"""HTML of the chat, from values: pure functions, and the only place where HTML is made. Everything shown is escaped."""

from docqa.chat.rendering.account import render_account
from docqa.chat.rendering.conversation import render_conversation, render_toolbar
from docqa.chat.rendering.documents import render_desk, render_listing, render_tabs
from docqa.chat.rendering.pages import render_page
from docqa.chat.rendering.source import render_source
from docqa.chat.rendering.status import render_feedback, render_header, render_notice, render_sync
from docqa.chat.rendering.welcome import render_welcome

__all__ = [
    "render_account",
    "render_conversation",
    "render_desk",
    "render_feedback",
    "render_header",
    "render_listing",
    "render_notice",
    "render_page",
    "render_source",
    "render_sync",
    "render_tabs",
    "render_toolbar",
    "render_welcome",
]
