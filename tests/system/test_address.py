"""Addresses as they are shown: no user name, password or token, whatever characters they hold."""

import pytest
import toy_servers

from pipeline.system.address import is_address, shown, without_secrets

PASSWORDS = ("secret", "P@ss", "P@ss@", "a/b", "a:b", "a?b=c", "a#b", "a b", "@", "//", "p%40ss", "é@ü", "x@y/z@",
             "'\"")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["rtsp://", "RTSP://", "http://", "postgresql+psycopg2://", " rtsp://", "rtsp:/"])
def test_a_password_is_never_shown(scheme, password):
    text = shown(f"{scheme}admin:{password}@camera.local:554/door")
    assert text == f"{scheme}***@camera.local:554/door"


@pytest.mark.parametrize("address, expected", [
    ("http://camera/video.cgi?user=admin&pwd=s3cret", "http://camera/video.cgi?***"),
    ("rtsp://10.0.0.9:554/user=admin_password=s3cret_channel=1.sdp", "rtsp://10.0.0.9:554/user=***"),
    ("http://camera/stream#token=s3cret", "http://camera/stream?***"),
    ("rtsp://camera/door", "rtsp://camera/door"),
    ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
    ("photos/me@home.jpg", "photos/me@home.jpg"),
    (r"C:\photos\me@home.jpg", r"C:\photos\me@home.jpg"),
])
def test_secrets_in_a_query_or_path_are_hidden_and_files_stay(address, expected):
    assert shown(address) == expected


@pytest.mark.parametrize("password", [word for word in PASSWORDS if len(word) > 2])
def test_a_librarys_message_is_cleaned_of_every_form(password):
    address = f"http://admin:{password}@server:5000"
    message = f"cannot reach {address}/api with admin and {password}, that is admin:{password}"
    assert password not in without_secrets(message, address).replace("***", "")
    assert "server:5000" in without_secrets(message, address)


@pytest.mark.parametrize(("password", "message"), [
    ("s@cretpart", 'could not translate host name "cretpart@server"'),
    ("12/cretpart", "Max retries exceeded with url: /cretpart@server"),
    ("s@Cret@Part", "host 'cret@part@server'"),
    ("s%40cretpart", "host 'cretpart@server'"),
])
def test_a_part_of_a_password_that_a_library_takes_for_a_host_or_path_is_hidden(password, message):
    hidden = without_secrets(message, f"http://me:{password}@server")
    assert not toy_servers.shows(hidden, password) and "server" in hidden


def test_a_scheme_may_be_written_in_capitals():
    assert is_address("RTSP://camera") and is_address("rtsps://camera") and not is_address(r"C:\clip.mp4")
