from app.settings import Settings
from tests.docs.settings_table import PAGE, page, variable


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, variable(name)


def test_settings_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"
