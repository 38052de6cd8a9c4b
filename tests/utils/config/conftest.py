import pytest

from tests.configuration import default_config


@pytest.fixture
def config():
    return default_config()
