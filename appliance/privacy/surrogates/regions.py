"""Regions that are wide enough to be told: states, provinces, countries (ISO 3166, GB/T 2260, USPS Publication 28)."""

__all__ = ["COUNTRIES", "PROVINCES", "STATES"]

STATES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO", "Connecticut": "CT", "Delaware": "DE",
    "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY",
    "Louisiana": "LA", "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO",
    "Montana": "MT", "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY",
    "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA", "Rhode Island": "RI",
    "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington": "WA",
    "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY", "District of Columbia": "DC",
}  # fmt: skip

PROVINCES = (
    "北京", "天津", "上海", "重庆", "河北", "山西", "辽宁", "吉林", "黑龙江", "江苏", "浙江", "安徽", "福建", "江西", "山东", "河南", "湖北", "湖南",
    "广东", "海南", "四川", "贵州", "云南", "陕西", "甘肃", "青海", "台湾", "内蒙古", "广西", "西藏", "宁夏", "新疆", "香港", "澳门",
)  # fmt: skip

COUNTRIES = {
    "Australia": "澳大利亚", "Austria": "奥地利", "Belgium": "比利时", "Brazil": "巴西", "Canada": "加拿大", "China": "中国", "Denmark": "丹麦",
    "Egypt": "埃及", "Finland": "芬兰", "France": "法国", "Germany": "德国", "Greece": "希腊", "India": "印度", "Indonesia": "印度尼西亚",
    "Ireland": "爱尔兰", "Israel": "以色列", "Italy": "意大利", "Japan": "日本", "Malaysia": "马来西亚", "Mexico": "墨西哥", "Netherlands": "荷兰",
    "New Zealand": "新西兰", "Norway": "挪威", "Poland": "波兰", "Portugal": "葡萄牙", "Russia": "俄罗斯", "Singapore": "新加坡", "South Africa": "南非",
    "South Korea": "韩国", "Spain": "西班牙", "Sweden": "瑞典", "Switzerland": "瑞士", "Thailand": "泰国", "Turkey": "土耳其", "Ukraine": "乌克兰",
    "United Kingdom": "英国", "United States": "美国", "Vietnam": "越南",
}  # fmt: skip
