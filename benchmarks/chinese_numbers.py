"""Chinese sentences with numbers that belong to a person, and as many traps: python benchmarks/chinese_numbers.py [--rows N] [--seed S] [--show KIND].

Written from the standards, apart from the recognizers, with check digits computed here: GB 11643-1999 (resident identity number), GB 32100-2015 (unified
social credit code), GB 11714-1997 (organization code), ISO/IEC 7812-1 (cards), ISO 13616 (IBAN), GB 16735-2019 and ISO 3779 (vehicles),
GA 36-2018 (plates), the numbering plan of 2017 (telephones), the identity card acts of Hong Kong and Taiwan. All values are synthetic.
"""

from __future__ import annotations

from functools import partial
from random import Random

import planted
from planted import Make, Row, Span, Trap, Value, Words, digits, either, iban, luhn, pattern, spoiled, vin

# GB/T 2260 areas, some of them revoked (a number outlives its county), and the three of the residence permits of 2018.
AREAS = ("110105", "310115", "440524", "330106", "510107", "420111", "320583", "610113", "230102", "650102", "540102")
REVOKED = ("110103", "310103", "320302", "440106", "513021", "422129")
PERMITS = ("810000", "820000", "830000")
CARDS = tuple(
    (start, places)
    for places, starts in (
        (19, "622202 621700 622848 623058 621661"),
        (16, "625965 628288 622588 436742 518710 356896"),
        (15, "374738"),
    )
    for start in starts.split()
)
CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
TAIWAN = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))
FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
GIVEN = ("丽华", "建国", "思远", "浩", "婷婷", "志明", "雅琪", "国栋", "欣怡", "子涵", "秀英", "磊")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def day(random: Random, form: str = "{:04d}{:02d}{:02d}", first: int = 1932, last: int = 2019) -> str:
    """Return a day that every month has."""
    return form.format(random.randint(first, last), random.randint(1, 12), random.randint(1, 28))


def mod_11_2(body: str) -> str:
    """Return 17 digits with the check character of GB 11643: weights 2^(17-i) modulo 11, read from 10X98765432."""
    rest = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(body)) % 11
    return body + "10X98765432"[rest]


def resident(areas: tuple[str, ...], random: Random) -> str:
    """Return an 18-digit identity number; one X in three is written small."""
    number = mod_11_2(random.choice(areas) + day(random) + f"{random.randint(1, 999):03d}")
    return number.lower() if random.random() < 0.3 else number


def resident_15(random: Random) -> str:
    """Return a number of the first generation: two digits for the year, no check digit."""
    return random.choice(AREAS + REVOKED) + day(random)[2:] + f"{random.randint(1, 999):03d}"


def foreigner(random: Random) -> str:
    """Return the number of a foreigner's permanent residence card: 9, place of application, country, birth, serial, check (2023), or the old form of 15."""
    if random.random() < 0.3:
        return random.choice(("USA", "DEU", "JPN", "GBR")) + random.choice(("1100", "3100")) + day(random)[2:] + "11"
    land = random.choice(("11", "31", "44", "33")) + random.choice(("840", "276", "392", "826", "410"))
    return mod_11_2("9" + land + day(random) + f"{random.randint(1, 999):03d}")


def hong_kong(random: Random) -> str:
    """Return a Hong Kong identity number: weights 9..2, A = 10, a missing first letter = 36; the sum with the check digit is 0 modulo 11."""
    letters = random.choice(("A", "C", "G", "K", "P", "R", "V", "Y", "Z", "WX"))
    number = f"{random.randint(100000, 999999)}"
    worth = [36] * (2 - len(letters)) + [int(letter, 36) for letter in letters] + [int(digit) for digit in number]
    check = -sum(each * weight for each, weight in zip(worth, range(9, 1, -1), strict=True)) % 11
    digit = "A" if check == 10 else str(check)
    return letters + number + (f"({digit})" if random.random() < 0.7 else digit)


def taiwan(second: str, random: Random) -> str:
    """Return a Taiwan number: the letter as two digits, weights 1, 9, 8..1, 1; the sum is 0 modulo 10."""
    letter = random.choice(list(TAIWAN))
    body = random.choice(second) + "".join(random.choices("0123456789", k=7))
    tens, ones = divmod(TAIWAN[letter], 10)
    total = tens + 9 * ones + sum(int(digit) * weight for digit, weight in zip(body, range(8, 0, -1), strict=True))
    return letter + body + str(-total % 10)


def organization(random: Random) -> str:
    """Return eight places and the check character of GB 11714: weights 3 7 9 10 5 8 4 2, 11 minus the rest, 10 is X and 11 is 0."""
    body = (
        "".join(random.choices("0123456789", k=8))
        if random.random() < 0.7
        else random.choice("ABDM") + digits(7)(random)
    )
    total = sum(int(each, 36) * weight for each, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    check = 11 - total % 11
    return body + {10: "X", 11: "0"}.get(check, str(check))


def hyphened(random: Random) -> str:
    """Return an organization code as it is written, with a hyphen."""
    code = organization(random)
    return f"{code[:8]}-{code[8]}"


def credit_code(random: Random) -> str:
    """Return a unified social credit code: authority, class, area, organization code, check character (weights 3^i modulo 31)."""
    code = organization(random)
    while set(code) - set(CREDIT):
        code = organization(random)
    body = random.choice(("91", "92", "93", "11", "12", "52", "53", "Y1")) + random.choice(AREAS) + code
    total = sum(CREDIT.index(each) * pow(3, place, 31) for place, each in enumerate(body))
    return body + CREDIT[-total % 31]


def card(random: Random) -> str:
    """Return a card: UnionPay of 19 or 16 digits, or a credit card of another scheme."""
    start, places = random.choice(CARDS)
    number = luhn(start + "".join(random.choices("0123456789", k=places - 7)))
    return (
        " ".join(number[place : place + 4] for place in range(0, len(number), 4)) if random.random() < 0.3 else number
    )


def mobile(random: Random) -> str:
    """Return a mobile number as people write it."""
    number = random.choice(("13", "15", "18", "17", "19")) + "".join(random.choices("0123456789", k=9))
    number = random.choice(("166", "147", "191")) + number[3:] if random.random() < 0.2 else number
    spaced = f"{number[:3]} {number[3:7]} {number[7:]}"
    return random.choice(
        (number,) * 5 + (spaced, spaced.replace(" ", "-"), f"+86 {number}", f"+86-{number}", f"0086{number}")
    )


def landline(random: Random) -> str:
    """Return a landline number with its area code, perhaps an extension."""
    area, places = random.choice(
        (("010", 8), ("021", 8), ("0755", 8), ("0571", 8), ("028", 8), ("0317", 7), ("0998", 7))
    )
    number = digits(places, "23456789")(random)
    form = random.choice(("{}-{}", "({}){}", "（{}）{}", "{} {}", "{}{}", "+86-{}-{}", "{}-{}"))
    return form.format(area[1:] if form.startswith("+") else area, number)


def service(random: Random) -> str:
    """Return a 400 or 800 number."""
    start, number = random.choice(("400", "400", "800")), digits(7)(random)
    return random.choice(
        (f"{start}-{number[:3]}-{number[3:]}", f"{start}{number}", f"{start} {number[:3]} {number[3:]}")
    )


def plate(random: Random) -> str:
    """Return a plate: five places without I and O, at most two letters, perhaps a point or the mark of its use."""
    tail = list("".join(random.choices("0123456789", k=5)))
    for place in random.sample(range(5), random.choice((0, 1, 1, 2))):
        tail[place] = random.choice(LETTERS)
    mark = random.choice(("", "", "", "·", " "))
    if random.random() < 0.15:
        return random.choice(PROVINCES) + random.choice("ABCDE") + mark + "".join(tail[:4]) + random.choice("学警挂")
    return random.choice(PROVINCES) + random.choice("ABCDEFGHJ") + mark + "".join(tail)


def green_plate(random: Random) -> str:
    """Return a plate of a new-energy vehicle: D or F first (small) or last (large), six places."""
    start = random.choice(PROVINCES) + random.choice("ABCEF") + random.choice(("", "", "·"))
    if random.random() < 0.3:
        return start + digits(5)(random) + random.choice("DF")
    return start + random.choice("DF") + random.choice("0123456789ABCDEFGHJK") + digits(4)(random)


def officer(random: Random) -> str:
    """Return the number of an officer's or a soldier's card."""
    return random.choice("军南北沈兰成济广海空参政后装武士") + "字第" + digits(random.choice((6, 7, 8)))(random) + "号"


def email(random: Random) -> str:
    """Return an e-mail address."""
    name = random.choice(("zhang.wei", "li_na", "wangfang", "chenxm", "liu.yang", "hr-zhao", "sunli"))
    host = random.choice(("163.com", "qq.com", "126.com", "example.com.cn", "mail.example.edu.cn", "example.org"))
    return f"{name}{random.choice(('', str(random.randint(1, 9999))))}@{host}"


def url(random: Random) -> str:
    """Return a web address."""
    host = random.choice(("www.example.com.cn", "oa.example.cn", "portal.example.org", "his.example.net:8080"))
    path = random.choice(("/user/zhangwei", "/index.html", "/p?id=8812", "/u/1029", ""))
    return random.choice(("http://", "https://", "" if host.startswith("www") else "https://")) + host + path


def ip(random: Random) -> str:
    """Return an address of version 4 or 6."""
    if random.random() < 0.25:
        return random.choice(("2001:db8:{:x}::{:x}", "fe80::{:x}:{:x}", "2001:db8::8a2e:{:x}:{:x}")).format(
            random.randint(16, 65535), random.randint(16, 65535)
        )
    return ".".join(str(random.randint(1, 254)) for _place in range(4)).replace("127.", "10.", 1)


def mac(random: Random) -> str:
    """Return a network card's address."""
    mark = random.choice((":", "-"))
    pairs = [f"{random.randint(0, 255):02x}" for _place in range(6)]
    return mark.join(pairs) if random.random() < 0.5 else mark.join(pairs).upper()


def wechat(random: Random) -> str:
    """Return a WeChat name: a letter, then letters, digits, hyphen or underscore."""
    return random.choice(("wxid_", "lihua_", "Cherry-", "xiaoyu")) + pattern("Xa00a0")(random).lower()


def bank_iban(random: Random) -> str:
    """Return an IBAN, in fours or not."""
    land, places = random.choice((("DE", 18), ("FR", 23), ("NL", 14), ("GB", 18), ("CH", 17), ("AE", 19)))
    letters = {"NL": "ABNA", "GB": "NWBK"}.get(land, "")
    number = iban(land, letters + digits(places - len(letters))(random))
    return (
        " ".join(number[place : place + 4] for place in range(0, len(number), 4)) if random.random() < 0.5 else number
    )


def imei(random: Random) -> str:
    """Return a device's number: type allocation code, serial, Luhn digit (3GPP TS 23.003)."""
    return luhn(random.choice(("86", "35")) + digits(12)(random))


def birthday(random: Random) -> str:
    """Return a date of birth."""
    forms = ("{}年{}月{}日", "{:04d}-{:02d}-{:02d}", "{}.{}.{}", "{:04d}/{:02d}/{:02d}", "{}年{:02d}月{:02d}日")
    return day(random, random.choice(forms), 1938, 2021)


def case(random: Random) -> str:
    """Return the number of a court case (rules of the Supreme People's Court, 2015)."""
    court = random.choice(("京0105", "粤01", "沪0115", "浙0106", "川01", "最高法"))
    kind = random.choice(("民初", "民终", "刑初", "行初", "执", "民申"))
    return f"（{random.randint(2014, 2024)}）{court}{kind}{random.randint(1, 29999)}号"


def position(random: Random) -> str:
    """Return a position in degrees."""
    north, east = random.uniform(20, 45), random.uniform(80, 125)
    return random.choice((f"{north:.6f},{east:.6f}", f"{east:.5f}, {north:.5f}", f"{north:.4f} {east:.4f}"))


def choice(*values: str) -> Make:
    """Return what takes one of the values."""
    return lambda random: random.choice(values)


def account(random: Random) -> str:
    """Return a company's account: no scheme, no check digit."""
    return digits(random.choice((12, 15, 17, 20)))(random)


VALUES: tuple[Value, ...] = (
    Value(
        "resident ID",
        "ID_NUMBER",
        partial(resident, AREAS),
        ("身份证号", "身份证号码", "身份证", "公民身份号码", "证件号", "证件号码", "居民身份证", "身份号码"),
        (
            "本人{}，现申请办理退休手续",
            "{}，男，汉族，住本市",
            "实名信息已核对，{}与照片一致",
            "乘客{}已检票",
            "投保人为{}，受益人法定",
        ),
    ),
    Value(
        "resident ID, revoked area",
        "ID_NUMBER",
        partial(resident, REVOKED),
        ("身份证号", "身份证", "证件号码"),
        ("户主{}，户口已迁出", "该员工{}入职前已体检", "请核验{}是否在库"),
    ),
    Value(
        "resident ID, 15 digits",
        "ID_NUMBER",
        resident_15,
        ("身份证号", "老身份证号", "一代身份证", "身份证号码", "原身份证号码"),
        ("一代证{}已换发", "身份证（旧）{}，已作废", "档案里的身份证还是{}"),
    ),
    Value(
        "residence permit 81/82/83",
        "ID_NUMBER",
        partial(resident, PERMITS),
        ("港澳居民居住证", "台湾居民居住证号码", "居住证号", "居住证", "证件号码"),
        ("持居住证{}办理入学", "{}，香港居民，现居深圳", "租客是台胞，登记的是{}"),
    ),
    Value(
        "foreigner's residence card",
        "ID_NUMBER",
        foreigner,
        ("外国人永久居留身份证", "永久居留证号", "永居证", "外国人永久居留证号码"),
        ("持外国人永久居留身份证{}开户", "永居卡{}，有效期十年"),
    ),
    Value(
        "Hong Kong ID",
        "ID_NUMBER",
        hong_kong,
        ("香港身份证", "香港身份证号码", "HKID", "港人身份证", "香港永久性居民身份证号"),
        ("香港客户持{}开户", "港方代表身份证{}", "被告人（香港居民，身份证{}）"),
    ),
    Value(
        "Taiwan ID",
        "ID_NUMBER",
        partial(taiwan, "12"),
        ("台湾身份证", "台湾身份证字号", "身分證字號", "台湾地区身份证号"),
        ("台籍员工身份证字号{}", "台湾同胞，统一编号{}"),
    ),
    Value(
        "Taiwan resident certificate", "ID_NUMBER", partial(taiwan, "89"), ("居留证号", "统一证号", "台湾居留证号码")
    ),
    Value(
        "pass to Hong Kong, Macau or Taiwan",
        "PASSPORT",
        either(pattern("C00000000"), pattern("CA0000000"), pattern("T00000000"), pattern("L00000000")),
        ("往来港澳通行证", "港澳通行证号", "通行证号码", "往来台湾通行证", "大通证", "通行证"),
        ("签注办在{}这本通行证上", "持往来港澳通行证{}出境"),
    ),
    Value(
        "permit of Hong Kong, Macau or Taiwan residents",
        "PASSPORT",
        either(pattern("H00000000"), pattern("M00000000"), pattern("H0000000000"), digits(8, "0")),
        ("回乡证", "回乡证号", "港澳居民来往内地通行证", "台胞证", "台胞证号", "台湾居民来往大陆通行证"),
        ("持台胞证{}入住", "用回乡证{}买的车票"),
    ),
    Value(
        "passport",
        "PASSPORT",
        either(
            pattern("E00000000"), pattern("EA0000000"), pattern("G00000000"), pattern("SE0000000"), pattern("P00000000")
        ),
        ("护照号", "护照号码", "护照", "因私护照", "Passport No.", "护照编号"),
        ("持护照{}入境", "护照丢了，号是{}", "护照复印件{}已存档", "签证贴在护照{}上"),
    ),
    Value(
        "social credit code",
        "USCC",
        credit_code,
        ("统一社会信用代码", "信用代码", "社会信用代码", "纳税人识别号", "税号", "统一信用代码", "营业执照注册号"),
        ("开票抬头和税号：{}", "该公司（{}）已列入异常名录", "甲方代码为{}，以下简称甲方"),
    ),
    Value(
        "organization code",
        "USCC",
        hyphened,
        ("组织机构代码", "机构代码", "组织机构代码证号", "组织机构代码证"),
        ("代码证{}已年检", "原组织机构代码{}并入信用代码"),
    ),
    Value("organization code, no hyphen", "USCC", organization, ("组织机构代码", "组织机构代码证号")),
    Value(
        "bank card",
        "BANK_CARD",
        card,
        ("卡号", "银行卡号", "银行卡", "信用卡号", "储蓄卡", "借记卡", "工资卡", "收款卡号", "还款卡"),
        ("转到{}这张卡上", "请打到{}，开户行是工行", "尾款已付，{}，请查收", "我刚挂失了{}", "他把钱存进{}里"),
    ),
    Value(
        "account by label",
        "ACCOUNT",
        account,
        ("账号", "银行账号", "对公账号", "收款账号", "开户账号", "帐号", "公积金账号"),
        ("基本户账号{}，开户行建行", "汇入账号{}时备注姓名"),
    ),
    Value("card check code", "BANK_CARD", digits(3), ("CVV", "CVV2", "安全码", "卡背面三位安全码")),
    Value(
        "mobile",
        "PHONE",
        mobile,
        (
            "手机",
            "手机号",
            "手机号码",
            "电话",
            "联系电话",
            "联系方式",
            "移动电话",
            "Tel",
            "手机（微信同号）",
            "本人电话",
        ),
        (
            "{}，随时打",
            "打我{}",
            "请拨{}找小陈",
            "有事call {}",
            "家属{}，已通知",
            "快递放门口，打{}",
            "验证短信发到{}了",
            "{}是我爱人的号",
        ),
    ),
    Value(
        "landline",
        "PHONE",
        landline,
        ("座机", "电话", "办公电话", "固话", "总机", "联系电话", "单位电话", "值班电话", "咨询电话", "宅电"),
        ("请致电{}预约", "打{}没人接", "科室直拨{}"),
    ),
    Value("fax", "PHONE", landline, ("传真", "传真号码", "Fax", "传真电话"), ("材料请传真至{}",)),
    Value(
        "400/800",
        "PHONE",
        service,
        ("客服电话", "客服热线", "售后热线", "服务热线", "免费电话", "全国统一热线"),
        ("有问题拨打{}", "厂家让我打{}报修"),
    ),
    Value(
        "plate",
        "PLATE",
        plate,
        ("车牌", "车牌号", "号牌号码", "车牌号码", "车号", "机动车号牌"),
        ("{}违停被拍", "一辆{}的轿车追尾", "访客驾驶{}入园", "麻烦挪下{}", "肇事车辆{}逃逸", "货车{}已过磅"),
    ),
    Value(
        "plate, new energy",
        "PLATE",
        green_plate,
        ("车牌", "新能源车牌", "车牌号", "号牌号码"),
        ("{}在三号桩充电", "网约车{}已到楼下", "司机开{}来接您"),
    ),
    Value(
        "medical record",
        "MEDICAL_RECORD",
        either(digits(6), digits(8, "0"), digits(10), pattern("ZY00000000"), pattern("B000000")),
        ("病案号", "住院号", "病历号", "病历编号", "病案首页号", "住院登记号", "病人ID"),
        ("请调阅住院号{}的影像", "病案号{}已归档"),
    ),
    Value(
        "outpatient number",
        "MEDICAL_RECORD",
        either(digits(8), digits(10, "0"), pattern("MZ0000000"), digits(12)),
        ("门诊号", "就诊卡号", "诊疗卡号", "门诊病历号", "就诊号", "登记号"),
        ("门诊号{}，复诊", "刷就诊卡{}取药"),
    ),
    Value(
        "bed",
        "MEDICAL_RECORD",
        either(digits(2), pattern("9-00"), pattern("+9"), pattern("A00")),
        ("床号", "床位号", "床位"),
    ),
    Value(
        "social security card",
        "MEDICAL_RECORD",
        either(pattern("A00000000"), digits(9), digits(10), pattern("AA0000000")),
        ("社保卡号", "社会保障卡号", "医保卡号", "社保号", "医保号", "医保个人编号", "社会保障卡卡号"),
        ("医保卡{}余额不足", "刷社保卡{}结算"),
    ),
    Value(
        "officer's card",
        "PASSPORT",
        officer,
        ("军官证", "军官证号", "士兵证号", "军人证件号", "文职干部证"),
        ("现役军人，持{}优先购票", "持军官证{}入住"),
    ),
    Value(
        "driver's file",
        "DRIVER_LICENSE",
        digits(12, "1234563"),
        ("档案编号", "驾驶证档案编号", "驾照档案编号", "机动车驾驶证档案编号"),
        ("驾驶证上的档案编号{}看不清", "驾照档案编号栏填{}"),
    ),
    Value(
        "e-mail",
        "EMAIL",
        email,
        ("邮箱", "电子邮箱", "E-mail", "邮件", "电子邮件", "Email", "联系邮箱"),
        ("简历发{}", "请发到{}，谢谢", "抄送{}即可", "已从{}寄出", "加我{}聊"),
    ),
    Value(
        "URL",
        "URL",
        url,
        ("网址", "主页", "链接", "官网"),
        ("请登录 {} 查看", "点这里 {} 填表", "结果见 {} ，下午关闭"),
    ),
    Value(
        "IP",
        "IP",
        ip,
        ("IP", "IP地址", "登录IP", "源IP", "客户端IP", "ip_addr"),
        ("来自{}的异常登录", "服务器{}无法访问", "从{}发起了三次请求"),
    ),
    Value("MAC", "MAC", mac, ("MAC", "MAC地址", "网卡地址", "物理地址"), ("设备{}已离线", "无线终端{}接入")),
    Value(
        "QQ",
        "HANDLE",
        either(digits(6), digits(8), digits(9), digits(10)),
        ("QQ", "QQ号", "qq", "扣扣", "QQ号码", "企鹅号"),
        ("加QQ{}细聊", "我QQ{}，备注来意", "qq{}常在线"),
    ),
    Value(
        "WeChat",
        "HANDLE",
        wechat,
        ("微信", "微信号", "WeChat", "vx", "加微信", "威信"),
        ("加V：{}", "微信{}，备注病友群", "他的微信号是{}，通过一下"),
    ),
    Value("IBAN", "IBAN", bank_iban, ("IBAN", "收款人IBAN", "国际账号"), ("汇到{}，币种欧元", "境外账户{}已核验")),
    Value(
        "BIC",
        "ACCOUNT",
        choice("BKCHCNBJ", "ICBKCNBJ900", "ABOCCNBJ010", "CMBCCNBS", "HSBCHKHHHKH"),
        ("SWIFT", "SWIFT Code", "SWIFT代码", "BIC"),
    ),
    Value(
        "VIN",
        "PLATE",
        either(*(partial(vin, start) for start in ("LSV", "LFV", "LVS", "LGB", "LBV", "WVW", "JTM"))),
        ("车架号", "VIN", "车辆识别代号", "车辆识别代码", "车架号码", "VIN码"),
        ("维修车辆{}，里程三万公里", "{}的原厂配件已到", "保险公司登记的是{}"),
    ),
    Value(
        "IMEI",
        "ACCOUNT",
        imei,
        ("IMEI", "手机串号", "IMEI号", "IMEI1", "设备IMEI", "手机IMEI码"),
        ("丢失手机串号{}", "终端IMEI {}已入网"),
    ),
    Value(
        "postcode",
        "POSTCODE",
        either(*(pattern(start) for start in ("100000", "200000", "510000", "310000", "610000", "430000", "061001"))),
        ("邮编", "邮政编码", "邮编号码"),
        ("地址：海淀区，邮编{}", "寄往四川，邮编{}"),
    ),
    Value(
        "birth date",
        "BIRTH_DATE",
        birthday,
        ("出生日期", "出生年月", "生日", "出生年月日", "DOB", "出生"),
        ("{}出生，籍贯山东", "生于{}，汉族", "患者{}生，足月顺产", "被告人，男，{}出生"),
    ),
    Value(
        "court case",
        "REFERENCE",
        case,
        ("案号", "执行案号", "原审案号"),
        ("不服{}民事判决，提起上诉", "依据{}裁定查封", "本院{}一案已审理终结"),
    ),
    Value(
        "policy, contract, staff number",
        "REFERENCE",
        either(pattern("PDAA2000000000000000"), pattern("HT-2000-0000"), pattern("AA0000000"), digits(7)),
        ("保单号", "保险单号", "合同编号", "合同号", "工号", "员工编号", "学号", "保单号码"),
        ("保单{}已生效", "请补签合同编号{}的附件"),
    ),
    Value("position", "GPS", position, ("坐标", "GPS坐标", "经纬度", "定位", "GPS")),
)


def ean(random: Random) -> str:
    """Return a trade item's bar code with its check digit (GB 12904: weights 3 and 1 from the right modulo 10)."""
    body = random.choice(("690", "692", "695")) + digits(9)(random)
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return body + str(-total % 10)


def isbn(random: Random) -> str:
    """Return a book's number (GB/T 5795, ISO 2108)."""
    body = f"9787{random.randint(10, 99)}{random.randint(100000, 999999)}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"978-7-{body[4:6]}-{body[6:]}-{-total % 10}"


def between(low: float, high: float, form: str = "{:.1f}") -> Make:
    """Return what makes a number in a range."""
    return lambda random: form.format(random.uniform(low, high))


def version(random: Random) -> str:
    """Return a version of three or four parts."""
    return ".".join(str(random.randint(0, 30)) for _part in range(random.choice((3, 4))))


TRAPS: tuple[Trap, ...] = (
    Trap(
        "bad resident ID",
        spoiled(lambda random: resident(AREAS, random).upper().replace("X", "1")),
        ("流水{}处理失败", "系统返回{}", "批次{}已关闭", "测试数据{}不通过校验", "任务{}超时"),
    ),
    Trap("bad card", spoiled(card), ("订单{}已发货", "返回码{}", "交易流水{}", "缓存键{}已失效")),
    Trap("bad credit code", spoiled(credit_code), ("物料{}缺货", "批号{}已入库", "图号{}已作废", "模具编号{}")),
    Trap("bad IBAN", spoiled(bank_iban), ("物料编码{}", "型号{}停产", "零件{}到货")),
    Trap("bad VIN", spoiled(partial(vin, "LSV")), ("固件包{}已下发", "部件{}退回")),
    Trap("bad IMEI", spoiled(imei), ("运单{}已签收", "条形码{}扫不出", "批次号{}")),
    Trap(
        "mobile-shaped order",
        pattern("13900000000"),
        ("订单号：{}", "流水号{}", "发票号码：{}", "工单{}已派", "交易号：{}", "单号{}查不到"),
    ),
    Trap(
        "ID-shaped order", pattern("202306120000000000"), ("订单号：{}", "交易单号{}", "商户单号：{}", "支付流水号：{}")
    ),
    Trap(
        "waybill",
        either(
            pattern("SF1000000000000"), pattern("YT0000000000000"), pattern("JDX000000000000"), digits(12), digits(15)
        ),
        ("运单号：{}", "快递单号{}", "物流单号：{}，派送中", "运单{}已签收", "顺丰{}已到站"),
    ),
    Trap(
        "invoice",
        either(digits(8), digits(12), digits(20)),
        ("发票号码：{}", "发票代码{}", "电子发票{}已开", "发票号{}"),
    ),
    Trap(
        "order",
        either(digits(10), digits(14), digits(16), digits(19)),
        ("订单编号：{}", "订单{}已取消", "下单成功，订单号{}"),
    ),
    Trap(
        "blood pressure",
        lambda random: f"{random.randint(90, 180)}/{random.randint(55, 110)}",
        ("血压{}mmHg", "BP {} mmHg", "复测血压{}，继续观察"),
    ),
    Trap("temperature", between(35.8, 40.2), ("体温{}℃", "T {}℃", "腋温{}度，已物理降温")),
    Trap("pulse", digits(2, "6789"), ("脉搏{}次/分", "心率{}次/分，律齐", "HR {} bpm", "血氧{}%")),
    Trap(
        "lab value",
        either(between(0.1, 20, "{:.2f}"), between(100, 400, "{:.0f}")),
        ("白细胞{}×10^9/L", "空腹血糖{}mmol/L", "肌酐{}umol/L", "血红蛋白{}g/L，偏低", "CRP {} mg/L", "血小板{}，正常"),
    ),
    Trap(
        "dose",
        either(digits(2), digits(3), between(0.1, 5)),
        ("阿莫西林{}mg，每日三次", "静滴{}ml", "胰岛素{}U皮下注射"),
    ),
    Trap(
        "price",
        either(between(1, 99999, "{:.2f}"), between(1000, 9999999, "{:,.2f}"), digits(8)),
        ("金额{}元", "人民币{}元整", "共计￥{}", "合同总价{}元", "退款{}元已到账", "余额：{}元"),
    ),
    Trap("version", version, ("版本{}", "升级到v{}", "固件版本：{}", "当前版本号{}，请更新", "内核{}")),
    Trap("book", isbn, ("ISBN {}", "书号：{}", "教材ISBN：{}，定价四十元")),
    Trap(
        "standard",
        choice(
            "GB 11643-1999",
            "GB/T 35273-2020",
            "GB 32100-2015",
            "ISO/IEC 27001:2022",
            "YY/T 0287-2017",
            "JR/T 0171-2020",
            "GB 5009.3-2016",
        ),
        ("按照{}执行", "符合{}的要求", "依据{}第4章", "参见{}"),
    ),
    Trap(
        "article of law",
        choice("第1062条", "第二百三十四条", "第十七条第二款", "第133条之一", "第64条"),
        ("根据民法典{}之规定", "依照刑法{}，判决如下", "违反本法{}的"),
    ),
    Trap("official document", digits(3), ("根据国务院令第{}号", "落实第{}号公告精神", "依据第{}号部令")),
    Trap(
        "quantity",
        either(digits(6), digits(8), digits(11)),
        ("共{}件", "全年{}人次", "用电{}千瓦时", "累计阅读{}次", "产量{}吨", "库存{}个"),
    ),
    Trap(
        "time",
        lambda random: f"{random.randint(0, 23):02d}:{random.randint(0, 59):02d}:{random.randint(0, 59):02d}",
        ("{}开机", "于{}到达现场", "日志时间{}", "抢救时间{}"),
    ),
    Trap(
        "part",
        either(
            choice("LM358DR2G", "STM32F103C8T6", "6205-2RS", "DN150-PN16", "M8×30", "XC7A35T-1CPG236C", "BC547B"),
            pattern("AAA-0000-00"),
        ),
        ("更换{}芯片", "轴承{}缺货", "采购{}一百个", "型号：{}", "配件{}到货"),
    ),
    Trap(
        "ratio",
        lambda random: f"{random.randint(1, 9)}:{random.randint(1, 1000)}",
        ("比例{}", "按{}稀释", "比分{}", "医患比{}"),
    ),
    Trap(
        "size",
        lambda random: f"{random.randint(50, 400)}×{random.randint(50, 400)}",
        ("尺寸{}mm", "幅面{}毫米", "病灶约{}px"),
    ),
    Trap("bar code", ean, ("条码{}", "商品条形码：{}", "69码{}扫描成功")),
    Trap("drug approval", pattern("H20000000"), ("国药准字{}", "批准文号：国药准字{}")),
    Trap(
        "disease code",
        choice("E11.900", "J45.901", "I10.x05", "C34.901", "N18.503"),
        ("诊断编码{}", "ICD-10：{}", "主要诊断{}"),
    ),
    Trap("CAS", choice("7732-18-5", "64-17-5", "50-78-2", "58-08-2", "7647-14-5"), ("CAS号：{}", "CAS {}，分析纯")),
    Trap("share", pattern("600000"), ("股票代码{}", "证券代码：{}", "买入{}一百手", "基金代码{}")),
    Trap("percentage", between(0, 300, "{:.2f}%"), ("同比增长{}", "收益率{}", "年化利率{}", "有效率{}")),
    Trap(
        "train or flight",
        choice("G1234", "D2281", "CA1501", "MU5137", "K1087"),
        ("乘坐{}次列车", "{}航班延误", "改签{}次"),
    ),
    Trap(
        "mileage",
        lambda random: f"K{random.randint(1, 999)}+{random.randint(100, 999)}",
        ("京藏高速{}处", "国道{}路段施工"),
    ),
    Trap(
        "public hotline",
        choice("12345", "95588", "12315", "110", "120", "10086"),
        ("拨打{}投诉", "请打{}热线", "立即拨打{}"),
    ),
    Trap(
        "error code", choice("0x80070005", "404", "ORA-01017", "E0032", "500"), ("错误代码{}", "报错{}", "返回{}错误")
    ),
    Trap(
        "batch",
        either(digits(8, "1"), pattern("A000X00"), digits(6, "9")),
        ("批号{}", "生产批次：{}", "疫苗批号{}", "批次{}抽检合格"),
    ),
    Trap(
        "work order", either(pattern("GD20000000"), digits(9)), ("工单号：{}", "报修单{}", "维修单号{}", "任务编号：{}")
    ),
    Trap("score", between(0, 150, "{:.1f}"), ("得分{}分", "总成绩{}", "评分{}，合格")),
    Trap("electric values", between(0.1, 380, "{:.2f}"), ("电压{}V", "转速{}rpm", "压力{}MPa", "功率{}kW")),
    Trap("exchange rate", between(0.5, 9, "{:.4f}"), ("汇率{}", "美元兑人民币{}", "中间价报{}")),
    Trap(
        "vulnerability",
        choice("CVE-2021-44228", "CVE-2023-38408", "RFC 2616", "RFC 8446"),
        ("修复{}", "参考{}", "与{}有关"),
    ),
    Trap("count in words", choice("三百二十六", "一千零八十", "四十五万", "十二"), ("共{}人", "合计{}元", "计{}件")),
    Trap("page, chapter", choice("3.2.1", "12.4", "第118页", "图4-12"), ("详见{}", "参见{}节", "见教材{}")),
)

WORDS = Words(
    forms=(
        "LABEL：{}",
        "LABEL:{}",
        "LABEL: {}",
        "LABEL {}",
        "LABEL为{}",
        "LABEL是{}",
        "LABEL{}",
        "我的LABEL是{}",
        "LABEL（{}）",
        "LABEL：{}（已核对）",
        "【LABEL】{}",
        "LABEL\t{}",
        "LABEL：\n{}",
        "LABEL=“{}”",
        "他的LABEL：{}",
        "LABEL填的是{}",
    ),
    leads=(
        "",
        "",
        "",
        "",
        "您好，",
        "备注：",
        "患者主诉头痛三天，",
        "入院记录：",
        "尊敬的客户，",
        "经查，",
        "各位同事：\n",
        "【系统通知】",
        "补充一下，",
        "@所有人 ",
        "客户来电称，",
        "原告称，",
        "车间反馈：",
        "转发：",
        "本院认为，",
        "麻烦登记一下，",
        "- ",
        "3. ",
        "Hi，",
    ),
    tails=(
        "",
        "",
        "",
        "。",
        "，谢谢。",
        "\n",
        "；",
        "，请核实。",
        "！",
        "，以上。",
        "\n此致\n敬礼",
        "，收到请回复",
        "。请勿外传。",
        "~",
        " 哈哈",
    ),
    people=("姓名：王秀英\n", "张建国来电：", "2023年3月5日，", "患者李志明，", "王秀英，女，"),
    joints=("，", "；", "\n", "。另外，", "，同时", "、", " "),
)


def rows(count: int, hidden: bool, seed: int = 4) -> list[Row]:
    """Return `count` rows with values and `count` with a trap alone, in turn."""
    return planted.rows(count, hidden, seed, VALUES, TRAPS, WORDS)


def sentences(count: int, hidden: bool, seed: int = 4) -> list[tuple[str, list[Span], bool]]:
    """Return the rows as (text, spans of (start, end, kind), holds a trap alone)."""
    return planted.sentences(rows(count, hidden, seed))


if __name__ == "__main__":
    planted.main("Chinese numbers", rows)
