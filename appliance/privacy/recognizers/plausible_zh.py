"""What the Chinese named-entity model takes for a name and is none: eponyms, medicines, roles, peoples, words that single nobody out."""

from __future__ import annotations

import re

__all__ = ["is_name"]

# Behind a name: a sign, disease, scale, instrument that is called after somebody.
_EPONYM = re.compile(
    r"(?:基|斯|氏|尔|金|默)?(?:征|症|病|综合征|综合症|反射|试验|评分|量表|指数|分级|分期|分型|现象|导管|手术|术式|切口|瘤|淋巴瘤|细胞|骨折|溃疡|结节|憩室|阳性|阴性|三联征|定律|效应|公式|体位|呼吸机|面罩|试剂|染色|钳)"
)
_MEDICINE_AHEAD = re.compile(
    r"(?:口服|服用|服|给予|给|予以|予|注射|静滴|静推|静点|肌注|滴注|泵入|联用|联合|应用|使用|加用|停用|改用|换用|含服|吸入|外用|药物|医嘱|片|胶囊|[、,，])$"
)
_MEDICINE_BEHIND = re.compile(
    r"\s*(?:[0-9.]+\s?(?:mg|g|ml|ug|μg|IU|u|片|粒|支|袋|毫克|克|毫升|单位)|片|胶囊|颗粒|注射液|缓释|肠溶|软膏|滴眼液|口服液|喷雾|治疗|静滴|口服|抗感染|降压|降糖|化疗|溶栓)",
    re.IGNORECASE,
)
_MEDICINE_END = re.compile(
    r"(?:普利|沙坦|地平|他汀|洛尔|沙星|霉素|环素|西林|培南|拉唑|替丁|西泮|唑仑|唑酮|西汀|双胍|列净|列汀|列酮|格列.{1,2}|头孢.{1,3}|单抗|替尼|司琼|膦酸|地尔|吡啶|噻嗪|米松|松龙|肝素|胰岛素|激素|维生素.?|多芭|丝肼|必利|匹林|布洛芬|氨酚|咪唑|硝唑|康唑|韦)$"
)
_MEDICAL = re.compile(r"患者|主诉|查体|病史|入院|医嘱|口服|治疗|诊断|症状|血压|静滴|服药|[0-9]\s?(?:mg|ml)|门诊|检查")
# 平安 is an insurer, and a word: 平安出院, 平安到家.
_SAFELY = re.compile(r"平安(?=出院|返|归|到|抵|回|度过|夜|健康|快乐|吉祥|喜乐|无事|落地|送|地|[,，。！]|$)|平安夜")
# Roles and peoples: many persons have them.
_NOBODY = re.compile(
    r"(?:员|者|们|人民|民警|群众|客户|患者|家属|医师|律师|法官|原告|被告|双方|我方|对方|骑士|小哥|快递|老板娘?|亲们?|网友|读者|观众|球迷|玩家|楼主|店家|卖家|买家|掌柜|客服)$"
)
_PEOPLE = re.compile(
    r"(?:汉|满|蒙古|回|藏|维吾尔|苗|彝|壮|布依|朝鲜|侗|瑶|白|土家|哈尼|哈萨克|傣|黎|傈僳|佤|畲|高山|拉祜|水|东乡|纳西|景颇|柯尔克孜|土|达斡尔|仫佬|羌|布朗|撒拉|毛南|仡佬|锡伯|阿昌|普米|塔吉克|怒|乌孜别克|俄罗斯|鄂温克|德昂|保安|裕固|京|塔塔尔|独龙|鄂伦春|赫哲|门巴|珞巴|基诺)族$"
)
# An institution of any city: it names nobody without more.
_NAMELESS = re.compile(
    r"(?:人民|中级|高级|基层|最高)?(?:人民)?(?:法院|检察院)|(?:公安|税务|工商|财政|教育|卫生|环保)(?:局|机关|部门)|派出所|居委会|村委会|董事会|监事会|股东会|委员会|党委|党支部|工会|政府|市政府|省政府|县政府|外资银行|银行"
    r"|本公司|我公司|该公司|贵公司|总公司|分公司|子公司|公司|集团|企业|本院|我院|医院|学校|大学|中学|小学|幼儿园|协会|学会|本报讯?|大城市|小城市|城市|农村|(?:贵|我|本|该|他|各|跨|开户|发卡|收款|付款|代理|汇款|经办|入账)行|.{0,6}(?:单号|账号|帐号|卡号|编号|号码|证号|工号|行号|户名|昵称)|群|[0-9.,]+[十百千万亿]?(?:元|块|天|次|年|人|个|件|岁|页|米|公里|平方米|分钟|小时)|实体店|专卖店|旗舰店|门店|商城|超市|食堂|酒店|宾馆|餐厅"
    r"|[内外急儿妇产眼骨心脑神经呼吸消化肿瘤泌尿普]{1,4}科|门诊部?|急诊科?|病房|病区|户籍所在地?|住所地?|所在地|居住地|国内|国外|海外|境外|本地|当地|外地|全国|全省|全市|东部|西部|南部|北部|中部|沿海|市区|郊区|城区|新区|开发区|老家|家乡|故乡"
)


def is_name(sentence: str, start: int, end: int, name: str) -> bool:
    """Tell whether an entity of the tag `name` (PER, LOC, ORG) at [start, end) of a sentence may name somebody."""
    word = sentence[start:end]
    if _PEOPLE.search(word) or _NAMELESS.fullmatch(word):
        return False
    if word.startswith("平安") and len(word) < 4 and _SAFELY.match(sentence, start):
        return False
    if name == "PER" and _NOBODY.search(word):
        return False
    return not _MEDICAL.search(sentence) or not _is_medicine(sentence, start, end, word)


def _is_medicine(sentence: str, start: int, end: int, word: str) -> bool:
    """Tell whether a word in a sentence on illness is a medicine, or a disease or sign called after somebody."""
    if word.endswith(("医院", "大学", "公司", "中心", "卫生院", "诊所")):
        return False
    if _MEDICINE_END.search(word) or _EPONYM.match(sentence, end):
        return True
    ahead = bool(_MEDICINE_AHEAD.search(sentence[max(0, start - 4) : start]))
    return ahead and bool(_MEDICINE_BEHIND.match(sentence, end))
