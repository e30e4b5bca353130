"""The numbers of `chinese_numbers.py` in other people's sentences: python benchmarks/chinese_numbers_again.py [--rows N] [--show KIND].

Labels, sentences, forms and traps that stand in no other file, written after the recognizers had been mended on `chinese_numbers.py`. They scored .938 / .984
(recall / precision) and left .965 of the traps untouched at first sight of these, where they had .995 / .999 / .998 there: what it is worth to have seen a
sentence. The numbers and their check digits are the same.
"""

from __future__ import annotations

from dataclasses import replace

import planted
from chinese_numbers import VALUES, between, card, choice, resident
from planted import Row, Span, Trap, Words, digits, either, iban, pattern, spoiled

# The name of the number, then its labels, then its sentences.
CARRIERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "resident ID": (
        ("身份证件号码", "身份号", "ID号", "二代证号", "申请人身份证", "户主身份证号码"),
        (
            "嫌疑人{}，现羁押于看守所",
            "麻烦查一下{}的征信",
            "旅客{}已办理值机",
            "死者经比对为{}",
            "我妈的是{}，帮忙挂个号",
        ),
    ),
    "resident ID, revoked area": (("身份证号码", "身份证"), ("老人家{}，户籍早撤了", "失踪人口{}")),
    "resident ID, 15 digits": (("旧身份证", "身份证号（15位）", "原身份证"), ("换证前的身份证是{}",)),
    "residence permit 81/82/83": (("港澳台居民居住证号", "居住证编号"), ("凭{}这张居住证报名", "学生{}，台湾籍")),
    "foreigner's residence card": (("永居身份证号码", "外国人永久居留身份证编号"), ("她的永居身份证{}快到期了",)),
    "Hong Kong ID": (("香港居民身份证", "HK身份证", "港澳身份证号"), ("持有香港身份证{}的股东",)),
    "Taiwan ID": (("台湾居民身份证", "台胞身份证字号"), ("台湾身份证字号为{}的董事",)),
    "Taiwan resident certificate": (("台湾居留证", "外侨居留证号"), ()),
    "pass to Hong Kong, Macau or Taiwan": (("港澳通行证编号", "往来台湾通行证号码", "港澳证"), ("拿港澳通行证{}过关",)),
    "permit of Hong Kong, Macau or Taiwan residents": (
        ("回乡证号码", "台胞证编号", "来往内地通行证号"),
        ("刷回乡证{}进站",),
    ),
    "passport": (("护照No.", "护照证件号", "passport", "旅客护照"), ("护照{}下个月到期", "凭护照{}领取登机牌")),
    "social credit code": (
        ("社会信用统一代码", "企业税号", "单位税号", "信用代码证"),
        ("发票抬头写我们公司，税号{}", "被执行人（信用代码{}）"),
    ),
    "organization code": (("组织机构代码证代码", "单位机构代码"), ("单位的组织机构代码是{}",)),
    "organization code, no hyphen": (("组织机构代码证代码", "单位组织机构代码"), ()),
    "bank card": (
        ("借记卡号", "招行卡", "银联卡号", "付款卡", "退款卡号", "社保绑定银行卡"),
        ("钱打{}就行", "你这张{}被风控了", "绑定{}扣款失败", "pos机刷的{}", "赃款转入{}"),
    ),
    "account by label": (("结算账号", "收款人账号", "对公账户", "银行账户"), ("打到公司账户{}",)),
    "card check code": (("CVC", "信用卡安全码", "CVN2", "卡片背面安全码"), ()),
    "mobile": (
        ("手机电话", "监护人电话", "收货人电话", "联系手机", "紧急联系人电话", "Mobile", "call"),
        (
            "加我微信，手机同号{}",
            "{}，打不通就发短信",
            "外卖小哥{}到楼下了",
            "报警人{}称",
            "患者女儿（{}）陪同",
            "回拨{}无人应答",
            "号主是{}",
        ),
    ),
    "landline": (("家庭电话", "前台电话", "预约电话", "办公室座机", "热线电话"), ("前台{}一直占线", "拨打{}转人工")),
    "fax": (("传真号", "FAX", "电话/传真"), ("传真到{}即可",)),
    "400/800": (("投诉热线", "报修电话", "官方客服"), ("官方客服{}总打不进去",)),
    "plate": (
        ("车牌号码", "车牌照", "涉事车辆", "接送车辆车牌", "牌照"),
        ("{}挡我车位了", "被{}追尾", "报废车{}", "{}，请速移车"),
    ),
    "plate, new energy": (("车牌", "绿牌", "牌照"), ("{}电量不足", "预约的{}还有两分钟到")),
    "medical record": (("住院病历号", "病历本编号", "住院编号", "患者病案号"), ("住院号{}的家属请到护士站",)),
    "outpatient number": (("门诊编号", "门诊就诊号", "就诊卡"), ("就诊卡{}挂失",)),
    "bed": (("床号", "病床号"), ()),
    "social security card": (("社会保障号码", "医保证号", "社保卡卡号", "职工医保号"), ("社保卡{}已激活",)),
    "officer's card": (("军官证编号", "士官证号", "军人证号"), ("凭{}免票参观",)),
    "driver's file": (("驾照档案号", "机动车驾驶人档案编号"), ("驾驶证档案编号为{}的驾驶人",)),
    "e-mail": (("电邮", "工作邮箱", "Email地址", "个人邮箱"), ("把简历投到{}", "邮件退回：{}", "有问题邮件{}联系")),
    "URL": (("网站", "个人主页", "下载地址"), ("打开 {} 重置密码", "原文见 {} 。")),
    "IP": (("IP地址", "来源IP", "主机IP", "remote_addr"), ("攻击源{}已封禁", "ping {} 超时")),
    "MAC": (("MAC地址", "设备MAC", "网卡MAC"), ("把{}加入白名单",)),
    "QQ": (("QQ账号", "QQ号", "联系QQ"), ("扣扣{}已加群", "群主QQ是{}")),
    "WeChat": (("微信ID", "微信号码", "WX"), ("微信搜{}", "加她微信号{}领资料")),
    "IBAN": (("IBAN号", "收款账户IBAN", "境外账号"), ("货款汇至{}",)),
    "BIC": (("SWIFT CODE", "银行SWIFT", "BIC代码"), ()),
    "VIN": (("车架号VIN", "VIN号", "大架号", "车辆VIN"), ("拍一下{}的铭牌", "{}召回通知")),
    "IMEI": (("IMEI串号", "手机IMEI", "设备串号IMEI"), ("被抢手机IMEI为{}",)),
    "postcode": (("邮政编号", "邮编", "ZIP"), ("通信地址邮编{}",)),
    "birth date": (("生日", "出生年月日", "出生时间", "出生日期"), ("{}出生于河南", "小儿{}出生", "本人生于{}")),
    "court case": (("本案案号", "一审案号", "执行案件"), ("因{}案被限制高消费", "详见{}民事裁定书")),
    "policy, contract, staff number": (("保险单号码", "合同编码", "员工号", "学号", "保险合同号"), ("合同{}到期续签",)),
    "position": (("经纬度坐标", "GPS定位", "位置坐标"), ()),
}

TRAPS: tuple[Trap, ...] = (
    Trap("bad resident ID", spoiled(lambda random: resident(("110105", "440524"), random).upper().replace("X", "1")), ("脚本跑到{}报错", "样例{}仅供演示", "第{}号样本")),
    Trap("bad card", spoiled(card), ("回执{}已生成", "缓存{}过期", "消息{}重复投递")),
    Trap("bad IBAN", spoiled(lambda random: iban("DE", digits(18)(random))), ("料号{}断货", "规格{}")),
    Trap("order", either(digits(11, "1"), digits(15), digits(18)), ("拼单{}已成团", "外卖单{}配送中", "团购订单号{}", "售后单号：{}", "预订单{}")),
    Trap("waybill", either(pattern("ZTO000000000000"), digits(13), pattern("EA000000000CN")), ("中通{}揽收", "快递{}在途", "邮政单号{}", "包裹{}滞留")),
    Trap("invoice", either(digits(8), digits(10), digits(20)), ("开票号{}", "发票（号码{}）", "红字发票{}", "税票号{}")),
    Trap("vitals", choice("128/76", "36.8", "98", "22", "75"), ("血压（{}）正常", "T{}，P正常", "呼吸{}次", "心率{}", "SPO2 {}")),
    Trap("lab value", either(between(0.1, 30, "{:.2f}"), digits(3)), ("谷丙转氨酶{}U/L", "甘油三酯{}", "尿酸{}μmol/L", "PSA {} ng/ml", "INR {}")),
    Trap("price", either(between(1, 9999, "{:.2f}"), digits(7), digits(9)), ("原价{}", "到手价{}元", "应付款{}", "营业收入{}万元", "罚款{}元", "注册资本{}元")),
    Trap("version", lambda random: f"{random.randint(1, 9)}.{random.randint(0, 30)}.{random.randint(0, 30)}", ("App {}闪退", "安卓{}系统", "驱动版本 {}", "微信{}版")),
    Trap("standard", choice("GB/T 22239-2019", "GA 1400-2017", "DL/T 645-2007", "HJ 1234-2021", "ISO 14001:2015"), ("执行标准{}", "满足{}三级要求", "送检依据：{}")),
    Trap("law", choice("第三十二条", "第1165条", "第2款第3项", "第十章"), ("适用劳动合同法{}", "援引该法{}", "见公司章程{}")),
    Trap("quantity", either(digits(5), digits(7), digits(10)), ("播放量{}", "粉丝{}个", "年产{}台", "{}只口罩", "占地{}平方米", "编号从1到{}")),
    Trap("time", choice("07:45", "23:59:59", "14:05-15:30", "8点30分", "00:12.35"), ("闹钟{}", "{}集合", "圈速{}", "课间{}")),
    Trap("part", choice("RTL8111H", "DDR5-5600", "Q235B", "GTX1660", "SC7A20", "MAX3485", "T-40-2"), ("焊接{}", "替换为{}", "用的是{}", "型材{}")),
    Trap("ratio", choice("2:1", "1:500", "3比2", "1:1.5", "9:16"), ("兑水{}", "画面{}", "以{}取胜", "配比{}")),
    Trap("share", pattern("300000"), ("{}涨停", "个股{}", "清仓{}", "代码{}的股票")),
    Trap("percentage", between(0, 100, "{:.1f}%"), ("环比{}", "合格率达{}", "电量剩{}", "湿度{}")),
    Trap("transport", choice("Z38", "C2001", "3U8633", "HU7181", "地铁10号线"), ("坐{}回家", "{}晚点", "赶{}")),
    Trap("public hotline", choice("12328", "95533", "10000", "119", "12368"), ("请打{}", "已向{}反映", "{}客服")),
    Trap("error code", choice("0xC000007B", "503", "ERR-1045", "E11000"), ("弹窗{}", "接口{}", "日志里是{}")),
    Trap("batch", either(digits(6, "2"), pattern("B00000"), pattern("20AB000")), ("出厂批次{}", "批号：{}（冷链）", "留样批次{}")),
    Trap("drug", choice("S20040012", "Z44020711", "J20171021"), ("国药准字{}", "注册证号：国药准字{}")),
    Trap("code of a disease", choice("I25.101", "K29.500", "M51.202", "Z51.103"), ("疾病编码{}", "诊断：冠心病（{}）")),
    Trap("page", choice("第36页", "6.4.2", "表3-7", "附录B.2"), ("翻到{}", "按{}操作", "内容在{}")),
    Trap("score", either(between(0, 750, "{:.0f}"), choice("3-1", "21:19", "98.5分")), ("高考{}", "比分是{}", "这次考了{}", "信用分{}")),
    Trap("electric values", between(0.1, 600, "{:.2f}"), ("阻值{}Ω", "频率{}MHz", "功耗{}W", "流量{}m³/h")),
    Trap("mark of a shelf", pattern("A0-00-00"), ("库位{}", "货架{}", "放到{}储位")),
    Trap("size", choice("1920x1080", "180×90×75", "φ25", "A4", "55寸"), ("分辨率{}", "箱子{}cm", "管径{}", "屏幕{}")),
    Trap("article number", either(digits(6), digits(8), digits(12)), ("货号{}", "商品编码{}", "SKU{}", "款号{}")),
    Trap("serial of a page", digits(9), ("帖子{}已删除", "视频av{}", "知乎问题{}", "日志ID {}")),
    Trap("words", choice("两万五千里", "七十二", "三分之二", "二〇"), ("走了{}", "满{}", "占{}")),
)  # fmt: skip

WORDS = Words(
    forms=(
        "LABEL：{}", "LABEL {}", "LABEL:{}", "LABEL{}", "LABEL=>{}", "LABEL（{}）", "“LABEL”：{}", "LABEL | {} |", "LABEL如下：{}", "本人LABEL为{}",
        "对方LABEL：{}", "LABEL 是 {}", "LABEL---{}", "1、LABEL：{}", "LABEL_{}", "#LABEL# {}", "LABEL：[{}]", "我LABEL{}",
    ),
    leads=(
        "", "", "", "", "在吗，", "【工单】", "亲，", "查房记录：", "据悉，", "判决如下：", "各科室请注意：", "您的反馈已收到，", "楼主：", "回复 3 楼：", "会议纪要 ", "经审理查明，",
        "客服您好 ", "# 备注\n", "PS：", "本报讯 ", "（转）", "> ", "二、", "护士交班：",
    ),
    people=("赵敏：", "2022-11-03 孙涛记录：", "当事人周晓红，", "李主任，"),
    tails=("", "", "", "。", "，急！", "？", "……", "，望批准。", "\n——完——", "，多谢亲", "（见附件）", "；其余不变", "，请知悉", "\n\n", " thx"),
    joints=("，", "；", " / ", "\n", "，另", "并且", "、"),
)  # fmt: skip


def rows(count: int, hidden: bool, seed: int = 9) -> list[Row]:
    """Return `count` rows with values and `count` with a trap alone, in turn."""
    values = [replace(each, labels=CARRIERS[each.name][0], sentences=CARRIERS[each.name][1]) for each in VALUES]
    return planted.rows(count, hidden, seed, values, TRAPS, WORDS)


def sentences(count: int, hidden: bool, seed: int = 9) -> list[tuple[str, list[Span], bool]]:
    """Return the rows as (text, spans of (start, end, kind), holds a trap alone)."""
    return planted.sentences(rows(count, hidden, seed))


if __name__ == "__main__":
    planted.main("Chinese numbers, other sentences", rows)
