"""What each column of a table is: found from its header (English, Chinese) and a sample of its cells, and confirmed by a person.

identifying: names one person; quasi-identifying: does so together with others; sensitive: what must not be tied to a person; text: free text; insensitive:
the rest (terms after Dalenius 1986; GB/T 37964-2019 3; ARX and sdcMicro say the same).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from appliance.errors import InputError, PolicyError, SettingsError
from appliance.privacy.tables.widen import WAYS
from appliance.reasons import reason
from appliance.words import _

if TYPE_CHECKING:
    from appliance.privacy.detect import Scrubber
    from appliance.privacy.tables.columns import Sheet

__all__ = ["Column", "Role", "Roles", "propose", "read_roles", "written"]

Role = Literal["identifying", "quasi-identifying", "sensitive", "text", "insensitive"]

_SAMPLE = 200
_IDENTIFYING = re.compile(
    r"姓名|名字|患者$|客户名|联系人|电话|手机|传真|邮箱|邮件|身份证|证件号|护照|账号|卡号|病案号|住院号|门诊号|医保号|社保号|车牌|微信|QQ|住址|地址|网址"
    r"|(?<![a-z])(?:(?:first|last|full|sur|given|family|patient|customer|contact)?[ _-]?name|phone|mobile|cell|tel|fax|e[ _-]?mail|ssn|mrn|nhs|passport"
    r"|account|iban|card|licen[cs]e|plate|vin|address|street|url|ip|username|user|login|(?:\w+[ _-])?id|(?:\w+[ _-])?(?:no|num|number))(?![a-z])"
    r"|^(?:病人|客户|当事人|申请人|被保险人|投保人|员工|学生|原告|被告|医生|医师|户名)$"
    r"|^(?:patient|customer|client|person|employee|applicant|member|student|plaintiff|defendant|physician|doctor|nurse)$",
    re.IGNORECASE,
)
_QUASI: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("age", re.compile(r"年龄|岁数|(?<![a-z])age(?![a-z])", re.IGNORECASE)),
    (
        "date",
        re.compile(
            r"日期|时间|出生|生日|入院|出院|就诊|(?<![a-z])(?:date|dob|born|birth(?:day|date)?|admitted|discharged?|day)(?![a-z])|_at$",
            re.IGNORECASE,
        ),
    ),
    (
        "postcode",
        re.compile(r"邮编|邮政编码|(?<![a-z])(?:zip|zip[ _-]?code|post(?:al)?[ _-]?code)(?![a-z])", re.IGNORECASE),
    ),
    ("region", re.compile(r"地区|区域|省份?|城市|市$|区县|籍贯|户籍|户口", re.IGNORECASE)),
    (
        "category",
        re.compile(
            r"性别|民族|国籍|婚姻|婚否|学历|文化程度|职业|职务|工种|单位|科室|部门|血型"
            r"|(?<![a-z])(?:sex|gender|race|ethnic\w*|nationality|marital|education|occupation|job|profession|city|town|county|state|region|country|department|ward)(?![a-z])",
            re.IGNORECASE,
        ),
    ),
    ("number", re.compile(r"身高|体重|(?<![a-z])(?:height|weight)(?![a-z])", re.IGNORECASE)),
)
_SENSITIVE = re.compile(
    r"诊断|疾病|病种|病史|症状|用药|药品|检查|检验|化验|结果|手术|收入|工资|薪|余额|金额|信用|宗教|政治|犯罪|案由"
    r"|(?<![a-z])(?:diagnos\w*|disease|condition|icd\w*|drug|medication|result|lab|surgery|procedure|income|salary|wage|balance|amount|credit|religion|politic\w*|offen[cs]e)(?![a-z])",
    re.IGNORECASE,
)
_MOSTLY = 0.5  # of the cells that are not empty
_LONG = 40  # characters on average: free text
_DISTINCT = 0.9  # share of different values in a column that tells its rows apart


@dataclass(frozen=True)
class Column:
    """A column's role, how it is widened where it is quasi-identifying, and why it is thought to be so."""

    name: str
    role: Role
    way: str = "category"
    why: str = ""


@dataclass(frozen=True)
class Roles:
    """The roles of all columns, the k asked for, and whether a person has confirmed them."""

    columns: tuple[Column, ...]
    k: int
    confirmed: bool

    def named(self, role: Role) -> list[Column]:
        """The columns of a role, in order."""
        return [column for column in self.columns if column.role == role]


def propose(sheet: Sheet, scrubber: Scrubber) -> Roles:
    """Propose a role for every column. `scrubber` looks for identity numbers, cards, addresses of e-mail and the like in a sample."""
    head = sheet.table.slice(0, _SAMPLE)
    return Roles(tuple(_column(name, head[name].to_pylist(), scrubber) for name in sheet.columns), k=5, confirmed=False)


def _column(name: str, cells: Sequence[str], scrubber: Scrubber) -> Column:
    filled = [cell for cell in cells if cell.strip()]
    way = next((way for way, words in _QUASI if words.search(name)), None)
    found = _kind_of(name, filled, scrubber)
    if way and found in (None, "DATE", "BIRTH_DATE", "AGE", "POSTCODE", "LOCATION"):
        return Column(name, "quasi-identifying", way, _("its name"))
    if filled and sum(map(len, filled)) / len(filled) > _LONG:
        return Column(name, "text", why=_("long texts"))
    if _SENSITIVE.search(name) and found in (None, "ORGANIZATION", "LOCATION"):
        return Column(name, "sensitive", why=_("its name"))
    if found:
        by_kind = {"AGE": "age", "DATE": "date", "BIRTH_DATE": "date", "POSTCODE": "postcode"}.get(found)
        return Column(
            name,
            "quasi-identifying" if by_kind else "identifying",
            by_kind or "category",
            _("its cells: {kind}", kind=found),
        )
    if _IDENTIFYING.search(name):
        return Column(name, "identifying", why=_("its name"))
    if len(filled) > 1 and len(set(filled)) >= _DISTINCT * len(filled):
        return Column(
            name, "quasi-identifying", "number" if _numeric(filled) else "category", _("hardly two cells are alike")
        )
    return Column(name, "insensitive", why="")


def _kind_of(name: str, filled: Sequence[str], scrubber: Scrubber) -> str | None:
    """Return the kind that most cells are, each read behind the column's name."""
    texts = [f"{name}: {cell}" for cell in filled]
    shift = len(name) + 2
    kinds: Counter[str] = Counter()
    for text, findings in zip(texts, scrubber.find(texts), strict=True):
        covered = [each for each in findings if 2 * (each.end - max(each.start, shift)) > len(text) - shift]
        kinds.update({covered[0].kind} if covered else ())
    best = kinds.most_common(1)
    return best[0][0] if best and best[0][1] > _MOSTLY * len(filled) else None


def _numeric(filled: Sequence[str]) -> bool:
    return all(re.fullmatch(r"-?[0-9.,]+", cell.strip()) for cell in filled)


def written(roles: Roles) -> str:
    """Return the roles as the TOML file that a person checks and edits."""
    lines = [
        "# " + _("What each column is. Read it, mend it, then set `confirmed = true`."),
        "# identifying: left out. quasi-identifying: widened, then hidden where too few rows share it. sensitive, insensitive: kept. text: scrubbed.",
        "# generalise: " + ", ".join((*WAYS, "number")),
        f"confirmed = {str(roles.confirmed).lower()}",
        f"k = {roles.k}",
        "",
        "[columns]",
    ]
    for column in roles.columns:
        name = json.dumps(column.name, ensure_ascii=False)
        way = f', generalise = "{column.way}"' if column.role == "quasi-identifying" else ""
        why = f"  # {column.why}" if column.why else ""
        lines.append(f'{name} = {{ role = "{column.role}"{way} }}{why}')
    return "\n".join(lines) + "\n"


def read_roles(path: Path, columns: Sequence[str], k: int | None = None) -> Roles:
    """Read a roles file for a table with these columns. `k` outranks the file's.

    Raises `InputError` for a file that cannot be read, `SettingsError` naming an unknown role or way, a column that is missing on either side, or a k below 2.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(_("cannot read `{file}`: {error}", file=path, error=reason(error))) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(_("cannot read `{file}`: {error}", file=path, error=reason(error))) from error
    told = content.get("columns", {})
    strangers = [name for name in (*told, *columns) if (name in told) != (name in columns)]
    if strangers:
        raise SettingsError(
            _("`{file}` and the table differ in column `{column}`; make the roles anew with `skerry table roles`", file=path, column=strangers[0])
        )  # fmt: skip
    found = Roles(
        tuple(_told(name, told[name], path) for name in columns),
        k if k is not None else content.get("k", 5),
        content.get("confirmed") is True,
    )
    if not isinstance(found.k, int) or found.k < 2:
        raise SettingsError(_("k must be a whole number of at least 2"))
    return found


def _told(name: str, value: Any, path: Path) -> Column:
    about: Mapping[str, Any] = value if isinstance(value, dict) else {"role": value}
    role, way = about.get("role"), about.get("generalise", "category")
    if role not in get_args(Role):
        raise SettingsError(
            _("`{file}`: the role of column `{column}` must be one of {known}", file=path, column=name, known=", ".join(get_args(Role)))
        )  # fmt: skip
    if way not in (*WAYS, "number"):
        raise SettingsError(
            _("`{file}`: column `{column}` can be generalised as {known}", file=path, column=name, known=", ".join((*WAYS, "number")))
        )  # fmt: skip
    return Column(name, cast(Role, role), way)


def require_confirmed(roles: Roles, path: Path) -> None:
    """Raise `PolicyError` unless a person has said that the roles are right."""
    if not roles.confirmed:
        raise PolicyError(
            _("nobody has confirmed the roles in `{file}`: read them, mend them, and set `confirmed = true`", file=path)
        )
