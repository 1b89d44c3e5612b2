import pytest

from app.errors import InvalidInput
from app.service.notify.outgoing import Unreachable, address_of, require_url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "https://",
        "//example.com",
        "https://ann:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exämple.com/",
        "https://example.com/a b",
        "https://[::1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str):
    with pytest.raises(InvalidInput):
        require_url(url)


def test_plain_web_addresses_are_taken():
    require_url("https://example.com/hooks?x=1")
    require_url("http://192.0.2.7:8080/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
    ],
)
async def test_our_own_network_is_never_asked(host: str):
    with pytest.raises(Unreachable):
        await address_of(f"http://{host}/", allow_internal=False)


async def test_a_public_address_is_asked_as_it_is():
    url = "https://93.184.215.14/"
    assert await address_of(url, allow_internal=False) == "93.184.215.14"


async def test_where_it_is_allowed_the_own_network_may_be_asked():
    assert await address_of("http://127.0.0.1/", allow_internal=True) == "127.0.0.1"
