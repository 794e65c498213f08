"""Stage promote: a challenger against the champion, on PublicTest, with evidence."""
