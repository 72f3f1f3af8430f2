"""A report in other dress: text, markdown, a page of HTML. These files read; they compute nothing."""
