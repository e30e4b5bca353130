"""Secrets: by the form that their issuers document, and by label. All values are made up or the issuers' own examples."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabcdef\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "value", "form"),
    [
        (f"cookie {JWT};", JWT, "JWT"),
        (f"see\n{KEY}\nthanks", KEY, "PRIVATE_KEY"),
        ("key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "CLOUD_KEY"),
        ("token ghp_" + "a1B2" * 9, "ghp_" + "a1B2" * 9, "CLOUD_KEY"),
        ("使用LTAI5tAbCdEfGhIjKlMn登录", "LTAI5tAbCdEfGhIjKlMn", "CLOUD_KEY"),
        ("password: hunter2", "hunter2", "PASSWORD"),
        ("the password is Tr0ub4dor&3", "Tr0ub4dor&3", "PASSWORD"),
        ("密码：abc12345，谢谢", "abc12345", "PASSWORD"),
        ("登录密码是Qwe_2023!", "Qwe_2023!", "PASSWORD"),
        ("api_key=abcdEFGH1234", "abcdEFGH1234", "PASSWORD"),
        ('"client_secret": "s3cr3t-value"', "s3cr3t-value", "PASSWORD"),
        ("验证码 384756", "384756", "PASSWORD"),
        ("Authorization: Bearer abcdefghijklmnop1234", "abcdefghijklmnop1234", "CLOUD_KEY"),
    ],
)
def test_secrets(text: str, value: str, form: str) -> None:
    text = text.replace("：", ":").replace("，", ",")
    assert (value, form) in {(text[hit.start : hit.end], hit.form) for hit in secret.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "my password is not working",
        "Password reset on 12 March 2020",
        "a token of gratitude",
        "the key to success",
        "token count 4096",
        "忘记密码怎么办",
        "the procedure (OTP) was performed",
        "eyJ is how it begins",
    ],
)
def test_talk_about_secrets_is_none(text: str) -> None:
    assert list(secret.find(text)) == []
