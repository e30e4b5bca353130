"""The words that surrogates are made of: common given names and surnames, syllables of towns, characters of Chinese names."""

from __future__ import annotations

from appliance.privacy.operators.value import Keyed

MALE_NAMES = (
    "Adam", "Adrian", "Albert", "Alfred", "Andrew", "Anthony", "Arthur", "Barry", "Benjamin", "Bernard", "Brian", "Bruce", "Calvin", "Carl", "Charles",
    "Christopher", "Clifford", "Colin", "Craig", "Curtis", "Daniel", "David", "Dennis", "Derek", "Donald", "Douglas", "Edgar", "Edward", "Edwin", "Eric",
    "Ernest", "Eugene", "Felix", "Francis", "Frank", "Frederick", "Gareth", "Gary", "Geoffrey", "George", "Gerald", "Gilbert", "Gordon", "Graham", "Gregory",
    "Harold", "Harry", "Henry", "Herbert", "Howard", "Hugh", "Ian", "Isaac", "Jack", "Jacob", "James", "Jeffrey", "Jeremy", "John", "Jonathan", "Joseph",
    "Keith", "Kenneth", "Kevin", "Laurence", "Leonard", "Leslie", "Lewis", "Lionel", "Louis", "Malcolm", "Marcus", "Mark", "Martin", "Matthew", "Michael",
    "Miles", "Mitchell", "Nathan", "Neil", "Nicholas", "Nigel", "Norman", "Oliver", "Oscar", "Patrick", "Paul", "Peter", "Philip", "Ralph", "Raymond",
    "Richard", "Robert", "Roger", "Ronald", "Roy", "Rupert", "Russell", "Samuel", "Scott", "Sidney", "Simon", "Stanley", "Stephen", "Stuart", "Terence",
    "Theodore", "Thomas", "Timothy", "Trevor", "Vernon", "Victor", "Vincent", "Walter", "Warren", "Wesley", "Wilfred", "William",
)  # fmt: skip
FEMALE_NAMES = (
    "Abigail", "Agnes", "Alice", "Alison", "Amanda", "Amelia", "Amy", "Angela", "Ann", "Anna", "Audrey", "Barbara", "Beatrice", "Bernadette", "Beverley",
    "Bridget", "Camilla", "Carol", "Caroline", "Catherine", "Cecilia", "Charlotte", "Christina", "Clara", "Claire", "Constance", "Cynthia", "Daphne",
    "Deborah", "Diana", "Dorothy", "Edith", "Eileen", "Elaine", "Eleanor", "Elizabeth", "Ellen", "Elsie", "Emily", "Emma", "Esther", "Ethel", "Evelyn",
    "Fiona", "Florence", "Frances", "Georgina", "Geraldine", "Gillian", "Gladys", "Gloria", "Grace", "Hannah", "Harriet", "Hazel", "Heather", "Helen",
    "Hilary", "Irene", "Isabel", "Jacqueline", "Jane", "Janet", "Jean", "Jennifer", "Jessica", "Joan", "Joanna", "Josephine", "Joyce", "Judith", "Julia",
    "Karen", "Katherine", "Laura", "Lauren", "Lilian", "Linda", "Lorna", "Louise", "Lucy", "Lydia", "Mabel", "Margaret", "Marian", "Marjorie", "Martha",
    "Mary", "Matilda", "Maureen", "Miriam", "Molly", "Monica", "Muriel", "Nancy", "Natalie", "Nora", "Olive", "Pamela", "Patricia", "Pauline", "Phyllis",
    "Priscilla", "Rachel", "Rebecca", "Rita", "Rosemary", "Ruth", "Sally", "Sandra", "Sarah", "Sheila", "Shirley", "Sophie", "Stella", "Susan", "Sylvia",
    "Teresa", "Theresa", "Ursula", "Valerie", "Vera", "Victoria", "Violet", "Virginia", "Vivian", "Wendy", "Winifred", "Yvonne",
)  # fmt: skip
ANY_NAMES = (
    "Alex", "Ashley", "Aubrey", "Avery", "Blair", "Cameron", "Casey", "Charlie", "Chris", "Dana", "Drew", "Eden", "Ellis", "Emerson", "Finley", "Frankie",
    "Glenn", "Harley", "Harper", "Hayden", "Hollis", "Jamie", "Jan", "Jess", "Jo", "Jodie", "Jordan", "Jules", "Kelly", "Kendall", "Kerry", "Kim", "Kit",
    "Lee", "Lesley", "Logan", "Lou", "Lynn", "Marion", "Max", "Merle", "Morgan", "Nicky", "Noel", "Pat", "Quinn", "Reese", "Regan", "Riley", "Robin",
    "Rory", "Rowan", "Sam", "Sasha", "Shannon", "Shelby", "Sky", "Stevie", "Sydney", "Tatum", "Taylor", "Terry", "Toby", "Tracy", "Val",
)  # fmt: skip
SURNAMES = (
    "Abbott", "Adams", "Allen", "Andrews", "Atkins", "Bailey", "Baker", "Barnes", "Barrett", "Bell", "Bennett", "Bishop", "Booth", "Bowen", "Brady",
    "Brooks", "Burgess", "Butler", "Carter", "Chapman", "Clarke", "Coleman", "Cooper", "Cox", "Cross", "Curtis", "Dawson", "Dixon", "Doyle", "Dunn",
    "Edwards", "Elliott", "Ellis", "Farmer", "Fisher", "Fletcher", "Foster", "Fowler", "Gardner", "Gibson", "Gilbert", "Goodwin", "Graham", "Grant",
    "Griffiths", "Hale", "Harper", "Harrison", "Hawkins", "Hayes", "Hodges", "Holmes", "Howell", "Hudson", "Hughes", "Hunt", "Jenkins", "Jennings",
    "Kelly", "Knight", "Lambert", "Lane", "Lawson", "Lowe", "Marsh", "Mason", "Mills", "Morgan", "Morris", "Murray", "Nash", "Newman", "Nicholls",
    "Norris", "Owen", "Page", "Palmer", "Parker", "Parsons", "Payne", "Pearce", "Perkins", "Porter", "Potter", "Price", "Pritchard", "Reeves", "Reynolds",
    "Rhodes", "Richards", "Roberts", "Rogers", "Rowe", "Saunders", "Sharp", "Shaw", "Shepherd", "Simmons", "Slater", "Spencer", "Stevens", "Stokes",
    "Sutton", "Swift", "Tanner", "Thornton", "Tucker", "Turner", "Vaughan", "Wade", "Walker", "Wallace", "Warner", "Watkins", "Weaver", "Webb", "Wells",
    "Wheeler", "Willis", "Woodward", "Wright", "Yates", "York",
)  # fmt: skip
_HEADS = (
    "Al", "Ar", "Ash", "Bar", "Beck", "Birch", "Black", "Brad", "Bram", "Bran", "Brook", "Burn", "Cal", "Carl", "Cher", "Clay", "Cold", "Cran", "Crom",
    "Dal", "Den", "Dun", "East", "El", "Fair", "Fal", "Far", "Fen", "Glen", "Gran", "Green", "Had", "Hal", "Ham", "Har", "Hart", "Hath", "Hazel", "Hol",
    "Hor", "Kel", "Ken", "Kings", "Kirk", "Lang", "Lin", "Long", "Lox", "Mal", "Mar", "May", "Mel", "Mer", "Mil", "Mor", "Nor", "Oak", "Old", "Pen", "Ram",
    "Red", "Rock", "Rush", "San", "Sel", "Shel", "Sher", "Stan", "Star", "Sted", "Stock", "Sun", "Thorn", "Til", "Tor", "Under", "Wad", "Wal", "War",
    "Wen", "West", "Wey", "Whit", "Wil", "Win", "Wood", "Wor", "Wy",
)  # fmt: skip
_TAILS = (
    "beck", "bourne", "bridge", "brook", "bury", "by", "combe", "cote", "cott", "croft", "dale", "den", "dene", "don", "field", "ford", "gate", "grave",
    "hall", "ham", "hurst", "land", "leigh", "ley", "low", "mead", "mere", "minster", "more", "pool", "port", "ridge", "shaw", "stead", "stoke", "stone",
    "stow", "thorpe", "ton", "vale", "ville", "wade", "water", "well", "wick", "wold", "wood", "worth",
)  # fmt: skip
SURNAMES_ZH = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
COMPOUND_SURNAMES = ("欧阳", "司马", "上官", "诸葛", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "轩辕", "宇文", "长孙", "端木", "南宫", "西门", "独孤", "闻人")  # fmt: skip
MALE_CHARACTERS = "伟强磊军勇杰涛明超刚平辉鹏飞鑫波斌宇浩凯健俊帆帅旭宁龙阳建亮成峰海山仁德文博志远航毅振国庆祥坚松柏岩峻铭泽昊然轩哲瀚钧铎骏驰"
FEMALE_CHARACTERS = "芳娜敏静丽艳娟霞秀兰燕玲桂英梅莉萍红洁莲环雪荣爱妹香月莺媛瑞凡佳嘉琼珍贞卉桃倩婷莎锦黛青怡婵雁蓓纨仪荷丹蓉眉君琴蕊薇菁梦岚苑婕馨瑗琰"
ANY_CHARACTERS = "文华晓宁平安雨晨思子林春云天可心知书言亦和清泉景新乐同舟辰星溪若悦怀谷禾木川石竹松年卓元初夏冬秋白蓝墨诗画朗逸嘉庭弘启信义"
SOUNDS = "阿艾巴贝布达德迪尔法菲弗戈格哈赫霍吉加卡科克库拉莱兰雷里利林卢鲁罗洛马麦曼米莫姆穆纳娜尼努诺帕佩普奇乔萨塞桑沙斯苏塔泰特提图托瓦威维沃西希亚扬依扎孜"
CITY_HEADS = "安平临青云石长新东南北西清永兴和宁泰丰康嘉怀延定昌河江海湖泉松柏桃梅兰竹枫梧桐凤龙金银铜玉珠盘乐庆"
CITY_TAILS = "阳山江河州宁泉川林原陵城溪湾岭坪塘浦浜桥港关冈丘谷峰岩坡坝源潭湖安平康乐丰华"


def town(keyed: Keyed, *words: str) -> str:
    """Return an invented word that looks like an English place or surname: one of some 4,000."""
    return keyed.pick(_HEADS, *words, "head") + keyed.pick(_TAILS, *words, "tail")
