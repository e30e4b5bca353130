"""Numbers that only their label makes personal: medical records, accounts, policies, applications, cases, licences, employees, students, devices.

HIPAA 164.514(b)(2)(i) (H) medical record, (I) health plan, (J) account, (K) certificate and licence, (M) device, (R) any other unique number; WS/T 500-2016 for
Chinese medical records; case numbers after the Supreme People's Court's rules of 2015 and of the European Court of Human Rights (no. 12345/99).
Orders, invoices and shipments are no personal numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.privacy.glance import loosened
from appliance.privacy.recognizers import harmless
from appliance.privacy.recognizers.labels import BETWEEN, Labels
from appliance.privacy.recognizers.recognizer import Hit, Recognizer


@dataclass(frozen=True, slots=True)
class Label:
    """What a label tells: kind and form, how many digits the number needs behind `number` or `no.`, behind a colon, behind nothing (0: never),
    and how it is written (`_VALUES`).
    """

    kind: str
    form: str = ""
    numbered: int = 2
    colon: int = 2
    bare: int = 0
    value: str = "number"


def _each(words: str, rest: str) -> str:
    return ", ".join(f"{word}{rest}" for word in words.split("|"))


_ENGLISH: tuple[tuple[str, Label], ...] = (
    ("mrn, m\\.r\\.n\\.?, medical record, medical rec, med rec, hicn, chart, unit record, hospital record, health record, med rec, crn, urn, hrn, clinic number, chart number", Label("MEDICAL_RECORD", bare=4)),
    ("accession, specimen", Label("MEDICAL_RECORD", colon=4, bare=5)),
    ("hospital, patient, pt, encounter, visit, radiology, lab, inpatient, outpatient, admission, episode, clinic, hosp, unit, ward, MR", Label("MEDICAL_RECORD", colon=4)),
    ("bed, ward bed, bed space", Label("MEDICAL_RECORD", numbered=1, colon=1, bare=1, value="bed")),
    ("health plan, health insurance, health card, medicaid, subscriber, beneficiary, insurance, insured, plan member, policyholder, policy holder", Label("HEALTH_ID", colon=4)),
    ("group, grp", Label("HEALTH_ID", colon=4, bare=5)),
    ("member id, member number, member no, health plan id, plan id, insurance id, insurance card, insurance member", Label("HEALTH_ID", numbered=4, colon=4, bare=5)),
    ("nhs, nhi, medicare", Label("HEALTH_ID", numbered=5, colon=5, bare=5)),
    ("account, acct, acc, a/c, a\\.c\\., checking, savings, current account, savings account, account ending(?: in)?, acct ending(?: in)?, bank account, loan, mortgage, customer, client", Label("ACCOUNT", numbered=4, colon=4, bare=5)),
    ("routing, sort code, aba, transit, swift, bic, iban", Label("ACCOUNT", numbered=4, colon=4, bare=6)),
    ("driver'?s?['’]?s? (?:licen[cs]e|permit), driving (?:licen[cs]e|permit), driver id, driver number, DL, DLN, dl number, licen[cs]e", Label("DRIVER_LICENSE", numbered=4, colon=4, bare=5)),
    ("passport, travel document, travel permit", Label("PASSPORT", numbered=6, colon=6, bare=6)),
    ("plate, plates, licen[cs]e plates?, number plates?, registration plate", Label("PLATE", bare=1, value="plate")),
    ("registration, reg, vehicle registration, car registration, rego, tag, licen[cs]e tag, registration mark, vrm", Label("PLATE", value="plate")),
    ("zip, zip code, zipcode, postal, postal zip, eircode, pin code, postcode, post code, postal code, plz", Label("POSTCODE", bare=2, value="postcode")),
    (_each("pilot|nursing|medical|professional|law|bar|teaching|pharmacy", " licen[cs]e") + ", certification, credential, state bar, bar, ARDC, attorney(?= no), attorney registration", Label("LICENSE", numbered=4, colon=4)),
    ("DEA, NPI", Label("LICENSE", numbered=4, colon=4, bare=5)),
    (_each("national|identity|identification|taxpayer|tax|voter|personal|citizen|alien", "(?: (?:id|identification|identity|registration))?(?: card)?"), Label("NATIONAL_ID", numbered=5, colon=5)),
    ("social insurance, social security, ssn, national insurance, vat, PAN, SIN, NIN, cpf, curp, RFC, green card, uscis", Label("NATIONAL_ID", numbered=5, colon=5)),
    ("nino, s\\.?s\\.?n\\.?, s\\.i\\.n\\.?, d\\.n\\.i\\.?, n\\.i\\.e\\.?, social(?= (?:is|no|number|#)|:), ss(?=#| no| number), soc sec, TIN, EIN, itin, tfn, pesel, bsn, DNI, NIE, NIF, aadhaar, aadhar", Label("NATIONAL_ID", numbered=5, colon=5, bare=5)),
    ("application, applications, app, appl, petition, visa, permit, enrol?lment, certificate, contract, agreement, file", Label("REFERENCE", "CONTRACT_NUMBER")),
    ("case, cases", Label("REFERENCE", "CASE_NUMBER", bare=5)),
    ("docket, matter, complaint, inmate, booking, warrant, citation, incident, police report", Label("REFERENCE", "CASE_NUMBER")),
    ("policy, policies, claim, claims", Label("REFERENCE", "POLICY_NUMBER", bare=5)),
    ("badge", Label("REFERENCE", "PERSON_NUMBER", bare=3)),
    ("index(?= no), cause(?= no), civil action, criminal action, civil(?= no), criminal(?= no), crim\\.?(?= no), civ\\.?(?= no)", Label("REFERENCE", "CASE_NUMBER", numbered=4)),
    ("DOC, BOP, SID, FBI(?= no), register(?= no), inmate(?= no)", Label("REFERENCE", "PERSON_NUMBER", numbered=4, colon=5)),
    ("shield", Label("REFERENCE", "PERSON_NUMBER", numbered=3, colon=4, bare=4)),
    ("authorization, authorisation, prior auth, preauth, auth", Label("REFERENCE", numbered=4, colon=6)),
    ("agent, officer, operator, interpreter, rider, courier, caller, rep, representative, teller, volunteer, star, offender, prisoner, detainee", Label("REFERENCE", "PERSON_NUMBER", numbered=4, colon=5)),
    ("a-number, alien number, alien registration, alien reg", Label("NATIONAL_ID", numbered=7, colon=7, bare=7)),
    ("employee, staff, student, matriculation, membership, member, library card, personnel, payroll, worker, roll, candidate, passenger, frequent flyer, loyalty", Label("REFERENCE", "PERSON_NUMBER")),
    ("reference, ref, confirmation, reservation, ticket ref", Label("REFERENCE")),
    ("device, asset, imsi, sim card, udi", Label("DEVICE_ID", numbered=4, colon=4)),
    ("serial, implant, s/n, SN(?= ?[:#])", Label("DEVICE_ID", numbered=4, colon=4, bare=7, value="serial")),
    (_each("pacemaker|defibrillator|implant|stent|pump|monitor|device|generator|valve|lens|prosthesis|stimulator|hearing aid|ventilator|wheelchair|laptop|phone|tablet", "(?: device)? serial"), Label("DEVICE_ID", numbered=4, colon=4, bare=5, value="serial")),
    ("imei, iccid", Label("DEVICE_ID", numbered=4, colon=4, bare=5)),
    ("vin, chassis, frame, vehicle identification", Label("VIN", numbered=4, colon=4)),
    ("engine", Label("VIN", "ENGINE_NUMBER", numbered=4, colon=4)),
)  # fmt: skip
_CHINESE: tuple[tuple[str, Label], ...] = (
    ("病案号, 病历号, 病历编号, 病历本号, 住院号, 住院编号, 住院病历号, 住院流水号, 门诊号, 门诊病历号, 门诊卡号, 急诊号, 就诊号, 就诊卡号, 就诊卡, 就诊编号, 诊疗卡号, 诊疗卡, 登记号, 检查号, 检查编号, 影像号, 超声号, 病理号, 标本号, 样本号, 检验号, 放射号, 挂号单号, 挂号号, 处方号, 处方编号, 标本条码, 样本条码, 病案首页号, 体检号, 体检编号, 患者编号, 患者ID, 患者号, 病人ID, 病人号, 病人编号, ID号, 预约号, 手术编号, 会诊单号, 转诊单号, 检验单号, 检查单号, 手术单号, 输血单号, 处方单号, 体检单号, 手环号, 腕带号", Label("MEDICAL_RECORD", bare=2)),
    ("床号, 床位号, 床位, 病床号, 病床", Label("MEDICAL_RECORD", numbered=1, colon=1, bare=1, value="bed")),
    ("邮编, 邮政编码, 邮政编号, 邮递区号, 邮政区号, 邮区, 邮码", Label("POSTCODE", numbered=6, colon=6, bare=6)),
    ("护照号, 护照, 大通证, 通行证号, 通行证, 台胞证号, 台胞证, 回乡证号, 回乡证, 旅行证号, 旅行证, 入台证号, 港澳证号, 签证号", Label("PASSPORT", numbered=6, colon=6, bare=6)),
    ("医保卡号, 医保卡, 医保号, 医保编号, 医保账号, 医疗保险号, 医疗保险卡号, 医疗证号, 社保卡号, 社保卡, 社保号, 社保编号, 社保账号, 社会保障卡号, 社会保障卡卡号, 社保卡卡号, 医保卡卡号, 社会保障卡, 医保个人编号, 社保个人编号, 社会保障号码, 社会保障号, 社会保险号, 新农合证号, 参保号, 参保编号", Label("HEALTH_ID", "CN_SOCIAL_SECURITY", 4, 4, 4)),
    ("账号, 帐号, 账户, 帐户, 存折号, 存折, 开户账号, 银行账号, 对公账户, 对公账号, 收款账号, 付款账号, 结算账户, 结算账号, 客户号, 客户编号, 公积金账号, 公积金号, 公积金账户, 户号, 证券账号, 股东账号, 资金账号", Label("ACCOUNT", numbered=4, colon=4, bare=4)),
    ("联行号, 行号, 支付行号, 开户行号", Label("ACCOUNT", "CNAPS", 4, 4, 4)),
    ("驾驶证号, 驾驶证, 驾照号, 驾照, 准驾证号, 机动车驾驶证", Label("DRIVER_LICENSE", numbered=4, colon=4, bare=4)),
    ("档案编号, 档案号, 驾照档案编号, 驾驶证档案编号, 驾驶人档案编号", Label("DRIVER_LICENSE", "CN_DRIVER_FILE", 4, 4, 4)),
    ("执业证书号, 执业证书编号, 执业证号, 执业证书, 执业编号, 资格证书号, 资格证书编号, 资格证书, 资格证号, 医师执业证, 律师证号, 律师执业证号, 从业资格证号, 教师资格证号", Label("LICENSE", numbered=4, colon=4, bare=4)),
    ("工商注册号, 注册号, 营业执照号, 营业执照注册号, 营业执照编号", Label("NATIONAL_ID", numbered=13, colon=13, bare=13)),
    ("纳税人识别号, 税号, 税务登记号", Label("NATIONAL_ID", numbered=5, colon=5, bare=5)),
    ("永居证, 永居卡, 永久居留证, 永久居留身份证, 统一证号, 身份证字号, 居留证统一证号", Label("ID_NUMBER", numbered=6, colon=6, bare=6)),
    ("军官证号, 军官证, 士兵证号, 士兵证, 警官证号, 警官证, 文职证号, 文职干部证, 军人证, 退役军人证, 退伍证", Label("ID_NUMBER", "CN_MILITARY_ID", 4, 4, 4)),
    ("证件号码, 证件号, 身份证号码, 身份证号, 身份证, 居住证号, 居住证, 居留证号, 居留证, 户口簿号", Label("ID_NUMBER", numbered=6, colon=6, bare=6)),
    ("保单, 保单号, 保单编号, 保险单号, 理赔号, 理赔编号, 赔案号, 报案号, 投保单号, 批单号", Label("REFERENCE", "POLICY_NUMBER", bare=2)),
    ("案号, 案件编号, 案件号, 立案号, 卷宗号, 受理编号, 受理号, 受理单号, 办件编号, 办件号, 申办编号, 鉴定编号, 判决书编号, 执行案号, 仲裁案号, 警情编号", Label("REFERENCE", "CASE_NUMBER", bare=2)),
    ("合同编号, 合同号, 合同, 协议编号, 协议号, 申请编号, 申请号, 申请书编号, 申请单号, 借据号, 借据编号, 贷款编号, 贷款号, 授信编号, 房产证号, 房产证, 不动产权证号, 不动产证号, 不动产单元号, 登记编号, 证书编号, 证书号, 投诉编号, 信访编号, 出生证编号, 出生医学证明编号, 结婚证号, 离婚证号", Label("REFERENCE", "CONTRACT_NUMBER", bare=4)),
    ("员工号, 员工编号, 职工号, 职工编号, 工号, 警号, 学号, 学籍号, 准考证号, 准考证, 考号, 考生号, 会员号, 会员卡号, 会员编号, 学生证号, 学生证, 工作证号, 工作证, 志愿者编号, 残疾证号, 老年证号, 借书证号, 校园卡号, 校园卡, 饭卡号, 饭卡, 借书卡号, 门禁卡号, 一卡通号, 学工号, 教工号, 考生编号", Label("REFERENCE", "PERSON_NUMBER", bare=4)),
    ("设备序列号, 序列号, 设备号, 设备编号, 设备ID, 终端号, 机身号, 串号, 设备识别码, SIM卡号, sim卡号", Label("DEVICE_ID", numbered=4, colon=4, bare=6)),
    ("车牌, 车牌号, 车牌号码, 车牌照, 号牌, 牌照, 牌照号", Label("PLATE", bare=3, value="plate_zh")),
    ("车身号, 车身编号, 整车编码, 电机号", Label("VIN", numbered=6, colon=6, bare=6)),
    ("车架号, 车辆识别代号, 车辆识别代码, 车辆识别号, 大架号", Label("VIN", numbered=4, colon=4, bare=5)),
    ("发动机号, 发动机编号", Label("VIN", "ENGINE_NUMBER", numbered=4, colon=4, bare=4)),
)  # fmt: skip
# Labels that hospitals and offices make up: a word of their trade, up to four characters, and a word for number.
_STEMS = tuple(
    (re.compile(rf"(?:{words})(?:(?!订单|发票|快递|物流|电话|手机|版本|批号|标准)[\u4e00-\u9fff]){{0,4}}?(?:号码?|编号|ID|代码)"), label)
    for words, label in (
        ("病案|病历|住院|门诊|急诊|就诊|诊疗|挂号|体检|检查|检验|化验|标本|样本|影像|处方|患者|病人|透析|手术|医嘱|入院|出院|病理|床位", Label("MEDICAL_RECORD", bare=2)),
        ("医保|社保|社会保障|社会保险|医疗保险|新农合|参保", Label("HEALTH_ID", "CN_SOCIAL_SECURITY", 4, 4, 4)),
        ("保单|保险|理赔|赔案|报案|投保|合同|协议|贷款|借款|授信|员工|职工|学生|学籍|考生|准考|会员|人事|借阅", Label("REFERENCE", bare=2)),
        ("驾驶证|驾照|驾驶人", Label("DRIVER_LICENSE", numbered=4, colon=4, bare=4)),
        ("执业|资格|律师|医师|护士|教师", Label("LICENSE", numbered=4, colon=4, bare=4)),
        ("开户|存折|公积金|账户|账号|帐号|客户", Label("ACCOUNT", numbered=4, colon=4, bare=4)),
    )
)  # fmt: skip
_LABELS = Labels((*_ENGLISH, *_CHINESE))
# Between a label and its number: first the words that make it a number, then `is`, a colon and the like.
_NUMBERED = r"(?P<numbered>(?:[ _\-.]{0,2}(?:numbers?|nos?|num|nr|ids?|identifier|code|card)(?![A-Za-z])\.?|\s?#|号码?|编号|代码|码|[Nn]o\.?|№)*)"
_COLON = rf"(?P<colon>(?:{BETWEEN}|no\.?(?=\s?[0-9]))*)"
_VALUES = {
    name: re.compile(_NUMBERED + _COLON + rf"(?P<value>{value})", flags)
    for name, value, flags in (
        ("number", r"(?-i:[A-Z]{1,6}[ \-._·/]?|[a-z]{1,4}[\-]?)?[0-9]{1,4}(?: [0-9]{3,4})+(?: [0-9]{1,3})?(?![0-9A-Za-z/.\-]|年)|(?-i:[A-Z]{1,6}[ \-._·/]?|[a-z]{1,4}[\-]?)?[0-9](?:[0-9A-Za-z]|[\-/._·](?=[0-9A-Za-z]))*(?: [0-9]{3,8}(?![0-9A-Za-z/.\-]|年))*|[0-9A-Za-z](?: [0-9A-Za-z]){4,}(?![0-9A-Za-z])", re.IGNORECASE),
        ("serial", r"(?-i:(?:SN|S/N)[ :#\-]{0,2})?(?=[A-Z\-]{0,8}[0-9])[0-9A-Z]+(?:[\-/.][0-9A-Z]+)*(?![0-9A-Za-z])", re.IGNORECASE),
        ("bed", r"(?:[+加]|[A-Z]{1,2}-?)?[0-9]{1,3}(?:-[0-9]{1,3})?[A-Z]?(?![0-9A-Za-z.])", 0),
        ("plate_zh", r"[\u4e00-\u9fff]?[A-Z]?[ \-·]?(?=[A-Z0-9]{0,4}[0-9])[A-Z0-9]{4,7}(?![0-9A-Za-z])", 0),
        ("plate", r"(?=[A-Z0-9 \-]{0,6}[0-9])(?=[0-9 \-]{0,6}[A-Z])[A-Z0-9]{1,4}(?:[ \-]?[A-Z0-9]{1,4}){1,2}(?![0-9A-Za-z])", 0),
        ("postcode", r"(?:[0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{4} ?[A-Z]{2}|[0-9]{3,4}[ \-]?[0-9]{2,4}|[0-9]{4,6})(?![0-9A-Za-z])", 0),
    )
}  # fmt: skip
_LAST_DIGITS = re.compile(
    r"(?:尾号|[后末]四位)(?:数字?)?(?:为|是|[:：])?\s?([0-9]{3}[0-9Xx])(?![0-9A-Za-z])"
    r"|\b(?i:last (?:4|four)(?: digits)?(?: of (?:[a-z]{1,12} ){0,3}[a-z]{1,12})?(?: is| are|:)?|(?:card|account|acct|visa|mastercard|phone|number|ssn) (?:ending|ends) (?:in|with)) ([0-9]{4})(?![0-9A-Za-z])"
)  # of a card, an account, a telephone
_REPORT = re.compile(
    r"(?:做[的得过了]|会诊|转诊|输血|手术|检查|检验|化验|报告|门诊|住院|取药)[^。!！?？；;\n]{0,12}单号[\s:为是]{0,4}([A-Za-z]{0,6}-?[0-9][0-9A-Za-z]*(?:[\-/.][0-9A-Za-z]+)*)"
)
_LONG = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{0,6}[0-9](?:[0-9A-Za-z]|[ .\-/·](?=[0-9]))*(?![0-9A-Za-z])")
_LONG_DIGITS = 6
_NO = re.compile(r"(?<![A-Za-z])[Nn]os?\.?\s?([0-9]{1,6}/[0-9]{2,4})(?![0-9/])")
_AND = re.compile(r"(?:,|\s+and|\s*&)\s*([0-9]{1,6}/[0-9]{2,4})(?![0-9/])")
_COURT = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]?[(（\[〔]\s?(?:19|20)[0-9]{2}\s?[)）\]〕]\s?[\u4e00-\u9fff]{1,3}[0-9]{0,4}[\u4e00-\u9fff]{1,10}(?:第\s?)?[0-9]{1,7}(?:[-之][0-9]{1,3})?号"
)
_SLASH_OR_HYPHEN = re.compile("[A-Z]-[0-9]|[0-9][CDJ][A-Z]+[0-9]|-[A-Za-z]{2,4}-|[a-z][.] ?[0-9]|[0-9]-[0-9]+,? [(]")
_DOCKET = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{1,2}:[0-9]{2}-[A-Za-z]{2,4}-[0-9]{3,6}(?:-[A-Z]{2,4})*|[0-9]{2} (?:Civ|Cr|Cv|Misc)\. ?[0-9]{2,5}|[CTF]-[0-9]{1,4}/[0-9]{2}"
    r"|(?:19|20)?[0-9]{2}-(?:CV|CR|CVS|CRS|CF|CA|CP|DR|FA|PR|JV|SC|MC|BK|AP|CI|LT|DV|CIV|CRIM)-[0-9]{3,8}(?:-[A-Z0-9]{1,5})*|(?:20)?[0-9]{2}(?:CV|CR|CVS|CRS|DR|JV|CIV|CRIM)[0-9]{4,8}|(?:CV|CR|CIV|CRIM)-(?:(?:19|20)?[0-9]{2})-[0-9]{2,8}(?:-[A-Z]{1,4})*"
    r"|[0-9]{2}-[0-9]{2,6}(?=,? \((?:[0-9]{1,2}(?:st|nd|rd|th|d) Cir|(?:D\.C|Fed)\. Cir|[NSEWMC]?\.?D\. ?[A-Z][a-z.])))(?![0-9A-Za-z])"
)
# The number of an appeal: two digits of the year, a hyphen; laws and ordinances are numbered so, too.
_APPEAL = re.compile(r"(?<![A-Za-z])Nos?\. ?([0-9]{2}-[0-9]{2,6}(?:-[A-Z]{1,4})*)(?![0-9A-Za-z\-])")
_COURT_WORD = re.compile(
    r"\b(?:courts?|circuit|cir|appeals?|appell\w+|plaintiffs?|defendants?|petition\w*|respondents?|v|vs|docket|judge|justice|argued|decided|case|cert|certiorari|slip op|remand\w*|affirmed|reversed)\b",
    re.IGNORECASE,
)
_LAW_AHEAD = re.compile(
    r"(?:law|pub\. ?l|resolution|ordinance|bill|order|bulletin|rule|release|form|opinion|act|memo|memorandum|circular|directive|regulation|guideline|report|amendment|treaty|model|part|item|style|lot)\.?,? $",
    re.IGNORECASE,
)
_COURT_REACH = 120  # characters on both sides of a number in which a word of the courts makes it a docket
# What an expert or an authority decided on one person: 湘雅司鉴[2022]临鉴字第381号; 国发〔2022〕15号 speaks to all.
_DECISION = re.compile(
    r"[\u4e00-\u9fff]{2,10}(?:鉴|认|决|罚|裁|仲|调|证|工伤认定|人社)字?第?[(\[〔]20[0-9]{2}[)\]〕](?:[\u4e00-\u9fff]{1,4})?第?\s?[0-9]{1,7}(?:-[0-9]{1,3})?号"
)
_IN_BRACKETS = re.compile(r"[(\[](?:ID|id|Id)(?: ?[Nn]o\.?| ?#|:)?[ :]?([A-Z]{0,3}-?[0-9]{4,12})(?![0-9A-Za-z])")
_DOCUMENT = re.compile(r"(?:(?![证是为号持填写码])[\u4e00-\u9fff]){1,6}字第?\s?[0-9]{4,12}\s?号")
_BED = re.compile(
    r"(?<![0-9A-Za-z])((?:[A-Z]{1,3}-?)?\+?[0-9]{1,3}(?:-[0-9]{1,3})?)\s?(?:号病?床|床)(?!位|垫|单|上|头|边|旁|前)"
)


def find(text: str) -> Iterator[Hit]:
    """Yield the numbers behind their labels (.7, without a word for number .6), application numbers (.7) and court numbers (.85)."""
    for _start, end, label in _LABELS.find(text):
        yield from _value(text, end, label)
    if not text.isascii():
        for stem, label in _STEMS:
            for match in stem.finditer(text):
                yield from _value(text, match.end(), label)
        yield from _chinese(text)
    yield from _applications(text)


def _value(text: str, end: int, label: Label) -> Iterator[Hit]:
    """Yield the number behind a label that ends at `end`."""
    match = _VALUES[label.value].match(text, end)
    score = _score(label, match) if match else 0.0
    if match and score:
        yield Hit(*match.span("value"), label.kind, score, label.form)


def _score(label: Label, match: re.Match[str]) -> float:
    digits = sum(map(str.isdigit, match["value"]))
    if match["numbered"]:
        return 0.7 if digits >= label.numbered else 0.0
    if match["colon"].strip(" \t([\"'"):
        return 0.7 if digits >= label.colon else 0.0
    return 0.6 if label.bare and digits >= label.bare else 0.0


def _applications(text: str) -> Iterator[Hit]:
    for match in _DOCKET.finditer(text) if _SLASH_OR_HYPHEN.search(text) else ():
        yield Hit(*match.span(), "REFERENCE", 0.85, "CASE_NUMBER")
    for match in _APPEAL.finditer(text) if "No" in text else ():
        ahead, near = (
            text[max(0, match.start() - 20) : match.start()],
            text[max(0, match.start() - _COURT_REACH) : match.end() + _COURT_REACH],
        )
        if _COURT_WORD.search(near) and not _LAW_AHEAD.search(ahead):
            yield Hit(*match.span(1), "REFERENCE", 0.7, "CASE_NUMBER")
    for match in _LAST_DIGITS.finditer(text):
        yield Hit(*match.span(match.lastindex or 0), "ACCOUNT", 0.6)
    for match in _IN_BRACKETS.finditer(text):
        yield Hit(*match.span(1), "REFERENCE", 0.6, "PERSON_NUMBER")
    for match in _NO.finditer(text) if "/" in text else ():
        yield Hit(*match.span(1), "REFERENCE", 0.7, "CASE_NUMBER")
        following = _AND.match(text, match.end())
        while following:
            yield Hit(*following.span(1), "REFERENCE", 0.7, "CASE_NUMBER")
            following = _AND.match(text, following.end())


def _chinese(text: str) -> Iterator[Hit]:
    for pattern, score in ((_COURT, 0.85), (_DECISION, 0.85), (_DOCUMENT, 0.7)) if "号" in text else ():
        for match in pattern.finditer(text):
            yield Hit(*match.span(), "REFERENCE", score, "CASE_NUMBER")
    if "床" in text:
        for match in _BED.finditer(text):
            yield Hit(*match.span(1), "MEDICAL_RECORD", 0.5)
    if "单号" in text:
        for match in _REPORT.finditer(text):
            yield Hit(*match.span(1), "MEDICAL_RECORD", 0.9)  # 单号 alone would be anybody's parcel


def find_eagerly(text: str) -> Iterator[Hit]:
    """Yield what `find` does, and every other number of six digits or more that is not known to belong to nobody (.25)."""
    yield from find(text)
    shields = list(harmless.find(text))
    for match in _LONG.finditer(text):
        known = any(start < match.end() and match.start() < end for start, end in shields)
        if not known and sum(map(str.isdigit, match[0])) >= _LONG_DIGITS:
            yield Hit(*match.span(), "REFERENCE", 0.25)


def _labelled() -> list[str]:
    values = {name: loosened(value, left=False) for name, value in _VALUES.items()}
    stems = [loosened(stem, right=False) + values[label.value] for stem, label in _STEMS]
    return [*_LABELS.loosened(lambda label: values[label.value]), *stems]


RECOGNIZER = Recognizer(
    "labelled_number",
    find,
    min_digits=1,
    eager=find_eagerly,
    expressions=(
        _labelled,
        _DOCKET,
        _APPEAL,
        _NO,
        _IN_BRACKETS,
        _COURT,
        _DECISION,
        _DOCUMENT,
        _BED,
        _LAST_DIGITS,
        _REPORT,
    ),
)
