"""Chinese organizations by their form: where the name begins, and forms without a name."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import organization_zh


def found(text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in organization_zh.find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("户名昆明云瑞商贸有限公司，账号", "昆明云瑞商贸有限公司"),
        ("被告常州宏泰建材有限公司不服", "常州宏泰建材有限公司"),
        ("与华为技术有限公司签订合同", "华为技术有限公司"),
        ("和平建设集团有限公司的项目", "和平建设集团有限公司"),
        ("我在贵行城南支行办理的卡", "城南支行"),
        ("就职于上海浦东发展银行徐汇支行", "上海浦东发展银行徐汇支行"),
        ("委托江苏正大律师事务所代理", "江苏正大律师事务所"),
        ("甲方：宁远县兴农专业合作社", "宁远县兴农专业合作社"),
        ("付款到瑞康医疗器械(苏州)有限公司", "瑞康医疗器械(苏州)有限公司"),
        ("在招商银行深圳分行开户", "招商银行深圳分行"),
    ],
)
def test_organizations_from_their_place_or_trade_name_to_their_form(text: str, expected: str) -> None:
    assert any(expected in name for name in found(text))


@pytest.mark.parametrize(
    "text",
    [
        "该有限公司已注销",
        "在济南设立分行",
        "某银行支行行长",
        "各银行分行",
        "不同分行标准不一",
        "拆分公司",
        "一家律师事务所",
        "有限公司",
    ],
)
def test_forms_without_a_name_stay(text: str) -> None:
    assert found(text) == []


def test_what_stands_ahead_is_no_part_of_the_name() -> None:
    assert found("关于收购瑞丰实业有限公司的公告") == ["瑞丰实业有限公司"]
    assert found("他任职于北方鑫源能源有限公司，") == ["北方鑫源能源有限公司"]
