"""Stage download: any edition of FER-2013, or drawn faces, brought into one form."""
