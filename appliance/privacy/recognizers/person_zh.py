"""Names of people in Chinese by what stands beside them: surname and title, label, the middle dot of transcribed names.

Surnames: the commonest 400 of the Ministry of Public Security's yearly report on names, and the compound ones. GB/T 35273-2020 annex A makes a name
personal data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.gazetteer import word_list
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

__all__ = ["RECOGNIZER", "SURNAME", "WORK"]

_SINGLE = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖萧田董袁潘蒋蔡余于杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫"
    "孔向汤常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚"
    "娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴"
    "滑盖练廉禹井祖漆巴丰支卿国狄平计索宣晋相初门云容敬来扈晁芮都普阙浦戈伏鹿薄邸雍辜羊阿乌母裘亓修邰赫杭况那宿鲜印逯隆茹诺战慕危玉银亢嵇公哈湛宾戎勾茅利於呼居揭干但尉冶斯元束檀衣信展阴昝智幸奉植衡富尧闭由"
)
_COMMON = (  # the surnames of nine people in ten
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖萧田董袁潘蒋蔡余于杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤常温康施牛樊葛邢齐易乔"
    "伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关焦俞左柳甘祝宁尚符舒阮柯纪梅童凌毕单季裴霍涂苗谷翁骆蓝游辛靳管柴蒙鲍喻蒲房屈饶解牟艾阳穆"
)
_COMPOUND = "欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|令狐|慕容|司徒|司空|夏侯|轩辕|宇文|长孙|端木|独孤|南宫|西门|东郭|百里|呼延|澹台|公冶|宗政|濮阳|淳于|单于|太叔|申屠|仲孙|钟离|闻人|赫连|完颜|拓跋|纳兰"
SURNAME = rf"(?:{_COMPOUND}|[{_SINGLE}])"
_HAN = "[\u4e00-\u9fff]"
_TITLE = (
    "先生|女士|小姐|太太|夫人|老师|医生|大夫|护士|护士长|教授|主任|院长|校长|经理|总经理|总监|董事长|主席|局长|处长|科长|部长|厅长|市长|省长|县长|镇长|乡长|村长|区长|书记|队长|组长|班长|会长|所长|站长|厂长|店长|行长|律师(?!事务所)|法官|警官|警员|检察官"
    "|师傅|同学|同志|阿姨|叔叔|大爷|大妈|大叔|大姐|大哥|奶奶|爷爷|老板|主管|博士|工程师|教练|道长|法师|将军|司令|上校|中校|少校"
)
_LABEL = (
    "姓名|再审人|辅警|民警|户主|兹证明|现有|留学生|学员|考生|家长|患者|病人|病患|客户|顾客|用户名?|联系人|收件人|收货人|寄件人|发件人|申请人|被申请人|申诉人|上诉人|被上诉人|原告人?|被告人?|第三人|法定代表人|法人代表|法人|负责人|经办人|经手人|持卡人|开户人|户名|家属|监护人|投保人|被保险人|保险人|受益人|管床医生|主治医师"
    "|医师|医生|护士|作者|编辑|通讯员|学生|教师|证人|代理人|委托人|审判长|审判员|书记员|陪审员|我叫|名叫|叫做|名为|姓|本人|犯罪嫌疑人|嫌疑人|被害人|受害人|受害者|当事人|死者|伤者|业主|房东|租客|租户|甲方|乙方|出借人|借款人|担保人|保证人|员工|职工|司机|乘客|旅客|记者"
    "|母亲|父亲|妻子|丈夫|儿子|女儿|哥哥|弟弟|姐姐|妹妹|配偶|爱人|男友|女友|同事|班主任|导师|签名|签字|署名|签收人|送检医师|报告医师|审核医师|操作员|柜员|理财经理|客户经理|主任医师|副主任医师|住院医师"
)
# What may stand behind a name.
_BEHIND = r"(?=$|[^\u4e00-\u9fff]|先生|女士|小姐|老师|医生|教授|主任|同学|的|在|于|因|与|和|及|等|是|为|已|将|被|向|对|从|到|来|去|说|称|表示|认为|入院|出院|就诊|出生|男|女|汉族|电话|手机|身份证|住|现|系|到庭|诉|之|均|赔偿|支付|负担|承担|给付|返还|偿还|送达|交付|出具|提供|提交|主张|要求|请求|提出|陈述|供述|驾驶|携|居住|出庭|参加|未|曾|应|须|自|经|由|按|依|以|不服|与|申请|签|有|没|也|都|就|还|要|想|今|昨|明天|下午|上午|发|打|给|把|拿|主诉|自述|诉称|年龄|性别|本人|您|你|我)"
_NAME = rf"{SURNAME}{_HAN}{{1,2}}?"
_LABELLED = re.compile(
    rf"(?:{_LABEL})(?:名)?\s*[:为是叫]?\s*((?:{_COMPOUND}){_HAN}{{1,2}}?{_BEHIND}|[{_SINGLE}]{_HAN}{{1,2}}?{_BEHIND})"
)
_LABELLED_COLON = re.compile(
    rf"(?:{_LABEL}|姓\s*名)\s*[:=]\s*({_HAN}{{2,4}})(?=\s*(?:$|[^\u4e00-\u9fff]|性别|年龄|电话|男|女|身份证))"
)
_CALLED = "先生|女士|小姐|太太|阿姨|师傅|大夫|医生|护士|律师(?!事务所)|法官|警官|同学|大爷|大妈|奶奶|爷爷"
_TITLED = re.compile(
    rf"(?<!{_HAN})((?:{_COMPOUND}|[{_COMMON}]){_HAN}{{0,2}}?)(?=(?:{_TITLE}))|((?:{_COMPOUND}|[{_COMMON}]))(?=(?:{_CALLED}))"
)
# A surname that is no word, wherever it stands: 家长滑女士, 幼儿园涂老师.
_RARE = re.compile(
    rf"((?:{_COMPOUND}|(?![那和与于向时都有由连应因就但全从来况位单双明方高安白黄红蓝青绿强富信权官师车门花初计相平成化海满多])[{_SINGLE}]))(?=女士|先生(?!们)|小姐(?!姐))"
)
# 麦冬(身份证号码..., 那日苏(警号...: what stands in the brackets tells that a person stands ahead. 巫山红,72岁; 祁连,女.
_IN_BRACKETS = re.compile(
    rf"(?:(?<!{_HAN})|{_LABEL})({_HAN}{{2,4}})(?=\((?:身份证|公民身份|警号|工号|学号|男|女|曾用名|化名|居民身份|{_HAN}{{1,3}}族))"
)
_THEN_SEX_OR_AGE = re.compile(
    rf"(?<!{_HAN})({SURNAME}{_HAN}{{1,2}})(?=[,，]\s?(?:男|女|[1-9][0-9]?\s?岁)(?:[,，。;；\s(]|$))"
)
_NEWBORN = re.compile(rf"(?:(?<!{_HAN})|新生儿|产妇|患儿)({SURNAME}{_HAN}{{0,2}}之[子女])(?!{_HAN})")
_LATIN = re.compile(
    rf"(?:{_LABEL}|外教|外籍人员|外国人)\s*[:为是]?\s*([A-Z][a-zÀ-ž'’\-]+(?: [A-Z][a-zÀ-ž'’.\-]+){{1,3}})(?![A-Za-z])"
)
_CALLED_BEHIND = re.compile(rf"(?<=.)(?:{_CALLED})$")
WORK = re.compile(r"《[^《》]{1,30}》")  # the title of a book, a film, a law: the names in it are not the subject's
_LOOKS_LIKE_A_NAME = re.compile(rf"(?<!{_HAN})(?:{_COMPOUND}|[{_COMMON}]){_HAN}{{1,2}}?{_BEHIND}")
_NICK = re.compile(
    rf"(?<![\u4e00-\u9fff0-9])[老小阿]([{_COMMON}])(?=[,，。！!？?、:：\s]|$|说|在|的|把|你|您|头|子|哥|姐)"
    rf"|(?:快递员|配送员|理发师|师傅|骑手|司机|护士|医生|主管|经理|客服|同事|邻居|中介|房东|证人)[老小阿]([{_COMMON}])(?=[,，。！!？?、:：\s]|$|说|在|的|把|头|电话|打|送|来|不|没)"
    # 周哥, 张总: a surname and what colleagues and friends call each other, with an end behind it
    rf"|(?<![\u4e00-\u9fff0-9])([{_COMMON}])(?=(?:总|董|哥|姐|叔|婶|嫂|伯)(?:[,，。！!？?、:：\s]|$|说|在|的|把|你|您|那|好))"
    rf"|(?<![\u4e00-\u9fff0-9])([王李张刘陈杨黄赵吴周徐孙朱胡郭何林罗])(?=工(?:[,，。！!？?、:：\s]|$|说|在|的|把|你|您|那|好))"
    # 占老师: a surname that is in no list
    rf"|(?:(?<!{_HAN})|班主任|联系人)((?![各该此某本两双男女好老新大小前名这那哪每位总校副个陪美网和与跟同给对向让请被把是的叫]){_HAN})(?=(?:老师|女士|先生)(?!们))"
)
# The characters of the transcription tables of Xinhua News Agency (Names of the World's Peoples): foreign names are written with few others.
_SOUNDS = (
    "阿埃艾爱安昂奥巴芭白百班邦包鲍贝本比彼毕宾波玻伯勃博卜布采查柴昌达戴丹道得德登邓狄迪蒂丁顿多杜敦尔法凡范方菲费芬弗福富盖甘冈高戈哥格葛根宫古瓜圭郭哈海汉杭豪赫黑亨洪侯胡华怀惠霍基吉加贾姜杰捷金津京喀卡凯坎康考柯科可克肯孔库夸"
    "奎昆拉腊莱赖兰朗劳勒雷蕾黎里理力利莉丽连莲廉良列琳林龄隆卢鲁路伦罗洛马玛迈麦满曼芒毛梅门蒙孟米蜜密敏明缪莫默姆木穆拿纳娜乃南内嫩能妮尼年涅宁纽农努诺欧帕派潘庞培佩彭蓬皮匹平珀普奇齐恰强乔切钦琼丘邱热仁日荣茹儒瑞若撒萨塞赛三桑瑟森莎沙"
    "山珊尚绍舍申生圣施什石史士舒朔斯丝思斯松苏索所塔泰坦汤唐陶特滕提田铁廷通图托陀瓦娃万汪旺威韦维魏温文翁沃乌吴武伍西希锡席夏相香肖谢欣辛兴休修许雪逊雅亚延扬尧耶叶伊依以因英永尤于约月云宰赞早泽曾扎詹珍真芝治中朱竹兹子宗祖佐买提孜吐迪勒热比娅旦增巴桑卓次仁翰帅梵妲妃姬媞婕媚芮茱柔珀旺堆央金格桑不都江逊守吾合牙汗甫地再然卜外奴登达才让措珠仓朗杰拜苏来提库完素曼帕夏麦代坎木拉提"
)
_DOTTED = re.compile(rf"(?<![·•])(?:[{_SOUNDS}]{{1,8}}|[A-Z]\.?)(?:[·•・‧∙](?:[{_SOUNDS}]{{1,8}}|[A-Z]\.?)){{1,3}}")
# Between a label with a colon and the next mark a dot joins whatever sounds: 户名:玉山江·芒力克.
_LABELLED_DOTTED = re.compile(
    rf"(?:{_LABEL})(?:名)?\s*[:=]\s*({_HAN}{{1,8}}(?:[·•・‧∙]{_HAN}{{1,8}}){{1,3}})(?!{_HAN})"
)
# Tibetan names are two words of two syllables, and need no surname.
_TIBETAN = "次仁|扎西|卓玛|央宗|旺堆|桑吉|多吉|洛桑|巴桑|格桑|央金|德吉|达瓦|尼玛|平措|罗布|顿珠|旺姆|曲珍|白玛|拉姆|仁青|才让|索朗|旦增|丹增|强巴|普布|米玛|拉巴|边巴|次旺|旺久|贡布|贡嘎|嘎玛|益西|拥措|群培|措姆|卓嘎|曲扎|班觉|土登|阿旺|江白|赤列|群宗|次央|玉珍|曲培|加措|嘉措|占堆|朗杰|坚赞|晋美|才旦|吉美|旺扎|久美|白珍|德庆|其美|桑珠|晋巴|仁增|尕玛|华旦|昂旺"
_TIBETAN_NAME = re.compile(
    rf"(?:{_TIBETAN}){{2,3}}|(?<!{_HAN})(?:{_TIBETAN})(?=[,，、。;；]|(?:家住|身份证|同学|老师))"
)
# Words that end in a surname: 责任护士 is no Ms Ren.
_WORDS = word_list("zh_words_with_a_surname")
# The 56 peoples of China (GB/T 3304-1991).
_PEOPLES = re.compile(
    r"(?:汉|满|蒙古|回|藏|维吾尔|苗|彝|壮|布依|朝鲜|侗|瑶|白|土家|哈尼|哈萨克|傣|黎|傈僳|佤|畲|高山|拉祜|水|东乡|纳西|景颇|柯尔克孜|土|达斡尔|仫佬|羌|布朗|撒拉|毛南|仡佬|锡伯|阿昌|普米|塔吉克|怒|乌孜别克|俄罗斯|鄂温克|德昂|保安|裕固|京|塔塔尔|独龙|鄂伦春|赫哲|门巴|珞巴|基诺)族(?![自乡县群])"
)
_NO_FIRST = frozenset("我你您他她它咱俺是在有没不请无未同与和及等")
_NO_GIVEN = frozenset(
    "是的在了不有和与及或为于之其等被把将从到对向给这那哪也都就还要想会能可应该请您你我他她它们个位名元年月日时分号"
)
_BY_SURNAME = re.compile(SURNAME)
_ROLES = frozenset(re.sub(".[?]", "", _LABEL).split("|")) | frozenset(_LABEL.replace("?", "").split("|"))
_BEHIND_AT = frozenset("术今次近本当昨同入出早晚上下前后该此这那家院夜午")  # 于术后: 于 is `at`, no surname
_NO_NAMES = frozenset(
    [
        "高度",
        "管床",
        "纪委",
        "来修",
        "高级",
        "高等",
        "高中",
        "高兴",
        "高速",
        "高价",
        "高考",
        "高温",
        "高血压",
        "方面",
        "方法",
        "方式",
        "方案",
        "方便",
        "时间",
        "时候",
        "时期",
        "常见",
        "常规",
        "常用",
        "平均",
        "平时",
        "平台",
        "平安",
        "明显",
        "明确",
        "明天",
        "明年",
        "成功",
        "成立",
        "成为",
        "全部",
        "全国",
        "全家",
        "全身",
        "相关",
        "相信",
        "相当",
        "应当",
        "应该",
        "安全",
        "安排",
        "安装",
        "连续",
        "连接",
        "关于",
        "关系",
        "关注",
        "马上",
        "金额",
        "金融",
        "白天",
        "白色",
        "黄色",
        "黄金",
        "江苏",
        "江西",
        "河南",
        "夏天",
        "夏季",
        "万元",
        "万一",
        "任何",
        "任务",
        "单位",
        "单独",
        "单纯",
        "路上",
        "路线",
        "车辆",
        "车站",
        "海外",
        "海关",
        "文化",
        "文件",
        "文章",
        "温度",
        "温馨",
        "解决",
        "解释",
        "解放",
        "计划",
        "计算",
        "水平",
        "国家",
        "国际",
        "国内",
        "都是",
        "都有",
        "都会",
        "支付",
        "支持",
        "元素",
        "元旦",
        "信息",
        "信用",
        "信任",
        "原因",
        "原来",
        "原告",
        "管理",
        "党员",
        "党委",
        "商品",
        "商业",
        "商务",
        "花费",
        "花园",
        "位置",
        "容易",
        "普通",
        "利息",
        "利用",
        "利益",
        "公司",
        "公开",
        "公安",
        "公共",
        "居民",
        "居住",
        "但是",
        "但因",
        "由于",
        "由此",
        "富裕",
        "伊始",
        "向来",
        "向前",
        "何时",
        "何处",
        "何人",
        "于是",
        "于今",
        "那么",
        "那个",
        "那些",
        "来自",
        "来电",
        "印象",
        "强烈",
        "楼下",
        "楼上",
        "满意",
        "满足",
        "包括",
        "包裹",
        "包含",
        "尤其",
        "司机",
        "师傅",
        "曾经",
        "曾在",
        "曾任",
        "曾因",
        "许多",
        "许可",
        "余额",
        "石油",
        "石头",
        "童年",
        "边缘",
        "边上",
        "宁愿",
        "游客",
        "游戏",
        "谢谢",
        "易于",
        "艾滋",
        "麻烦",
        "麻醉",
        "苗条",
        "盛大",
        "年轻",
        "康复",
        "和平",
        "和谐",
        "陈述",
        "陈旧",
        "钟头",
        "左右",
        "左侧",
        "古代",
        "古老",
        "卫生",
        "章程",
        "严重",
        "严格",
        "华人",
        "华东",
        "常委",
        "常务",
        "齐全",
        "安徽",
        "宁波",
        "武汉",
        "秦皇",
        "云南",
        "海南",
    ]
)


def find(text: str) -> Iterator[Hit]:
    """Yield names behind a label (.7), ahead of a title (.65: the name without it), with a middle dot (.7), nicknames (.5)."""
    for match in _LABELLED.finditer(text):
        if _plausible(match[1]):
            title = _CALLED_BEHIND.search(match[1])
            yield Hit(match.start(1), match.start(1) + (title.start() if title else len(match[1])), "PERSON", 0.7)
    for match in _LABELLED_COLON.finditer(text):
        if match[1][0] in _NO_FIRST or match[1][:2] in _NO_NAMES or not _plausible(match[1][:2]):
            continue
        yield Hit(*match.span(1), "PERSON", 0.7)
    for match in _TITLED.finditer(text):
        group = 1 if match[1] else 2
        if _plausible(match[group]) and text[max(0, match.start(group) - 1) : match.end(group)] not in _WORDS:
            yield Hit(*match.span(group), "PERSON", 0.65)
    for match in _NICK.finditer(text):
        yield Hit(*match.span(match.lastindex or 0), "PERSON", 0.5)
    yield from _without_surname(text)
    for match in _PEOPLES.finditer(text):
        yield Hit(*match.span(), "NATIONALITY", 0.7)


def _without_surname(text: str) -> Iterator[Hit]:
    """Yield transcribed names with a middle dot, and Tibetan ones; not in the title of a work."""
    for pattern in (_RARE, _IN_BRACKETS, _THEN_SEX_OR_AGE):
        for match in pattern.finditer(text):
            if match[1] in _ROLES or match[1][0] in _NO_FIRST:
                continue
            if match.start(1) > match.start() or (_BY_SURNAME.match(match[1]) and _plausible(match[1])):
                yield Hit(*match.span(1), "PERSON", 0.6)
    for pattern in (_NEWBORN, _LATIN):
        for match in pattern.finditer(text):
            yield Hit(*match.span(match.lastindex or 0), "PERSON", 0.65)
    works = [match.span() for match in WORK.finditer(text)]
    for match in _DOTTED.finditer(text):
        if any(start < match.start() < end for start, end in works):
            continue
        first, *_others, last = re.split("[·•・‧∙]", match[0])
        start = match.start() + (first[0] in "因于都让以" and len(first) > 2)
        end = match.end() - (last[-1] in "因以于" and len(last) > (2 if last[-1] == "于" else 3))
        yield Hit(start, end, "PERSON", 0.7)
    for match in _LABELLED_DOTTED.finditer(text) if "·" in text else ():
        yield Hit(*match.span(1), "PERSON", 0.75)
    for match in _TIBETAN_NAME.finditer(text):
        yield Hit(*match.span(), "PERSON", 0.65)


def _plausible(name: str) -> bool:
    if name[0] == "于" and name[1:2] in _BEHIND_AT:
        return False
    return "某" not in name and name not in _NO_NAMES and name[:2] not in _NO_NAMES and not _NO_GIVEN & set(name[1:])


def _find_eagerly(text: str) -> Iterator[Hit]:
    """Yield the names of `find`, and what looks like a name between other characters than Han or ahead of a word that follows names (.3)."""
    yield from find(text)
    for match in _LOOKS_LIKE_A_NAME.finditer(text):
        if _plausible(match[0]):
            yield Hit(*match.span(), "PERSON", 0.3)


RECOGNIZER = Recognizer("person_zh", find, trigger=re.compile("[\u4e00-\u9fff]"), names=True, eager=_find_eagerly)
