"""Word banks the topics are drawn from; every tuple is split into a training and a held-out part by
`topics.py`.

Nouns carry a domain, which decides the generic hashtags that suit them.
"""

# fmt: off
NOUNS: dict[str, tuple[str, ...]] = {
    "food": (
        "coffee shop", "bakery", "brunch menu", "pizza night", "ramen bar", "food truck",
        "tasting menu", "cold brew", "sourdough class", "farmers market", "ice cream stand",
        "tea house", "spice blend", "picnic basket", "taco stall", "cooking course", "juice bar",
        "hot sauce", "wine cellar", "noodle kitchen", "cheese board", "breakfast club",
        "espresso bar", "chocolate box", "soup kitchen", "honey harvest", "burger joint",
        "supper club",
    ),
    "fitness": (
        "yoga class", "running club", "spin studio", "boxing gym", "marathon", "swim meet",
        "climbing wall", "pilates course", "cycling tour", "dance workout", "morning stretch",
        "rowing team", "hiking group", "tennis court", "skate park", "strength program",
        "charity run", "fitness challenge", "surf school", "football league",
    ),
    "tech": (
        "mobile app", "software update", "data platform", "robotics lab", "security audit",
        "design system", "chat feature", "search tool", "podcast app", "cloud migration",
        "beta program", "hackathon", "code review", "dashboard", "booking system",
        "open source project", "battery pack", "smart lamp", "keyboard", "payment page",
        "developer guide", "product launch", "website redesign", "newsletter",
    ),
    "travel": (
        "beach hotel", "road trip", "city tour", "mountain cabin", "night train", "ferry ride",
        "camping weekend", "travel guide", "island escape", "desert hike", "rooftop view",
        "hostel", "winter getaway", "lake house", "vineyard tour", "old town walk", "ski resort",
        "canal boat", "airport lounge", "coastal path",
    ),
    "fashion": (
        "summer collection", "sneaker drop", "vintage shop", "rain jacket", "denim line",
        "silk scarf", "jewelry box", "leather bag", "capsule wardrobe", "knitwear range",
        "hat store", "pop-up boutique", "fashion show", "sunglasses", "linen shirt", "tailor shop",
        "nail salon", "hair studio", "skincare set", "perfume",
    ),
    "art": (
        "photo exhibition", "pottery studio", "book club", "street mural", "jazz concert",
        "short film", "theater play", "print shop", "guitar lesson", "poetry evening",
        "record store", "craft fair", "sketchbook", "choir", "puppet show", "gallery opening",
        "music festival", "writing retreat", "comic book", "light installation",
    ),
    "business": (
        "hiring day", "team offsite", "annual report", "startup pitch", "sales training",
        "customer survey", "office move", "budget workshop", "mentoring program", "trade fair",
        "remote work policy", "internship", "leadership course", "price change",
        "quarterly review", "partnership", "onboarding plan", "case study", "panel discussion",
        "accounting service",
    ),
    "community": (
        "animal shelter", "tree planting day", "library", "school play", "blood drive",
        "repair cafe", "community garden", "neighborhood party", "book swap", "charity auction",
        "beach cleanup", "science fair", "language exchange", "town hall", "volunteer day",
        "playground", "youth center", "winter market", "block party", "recycling project",
    ),
    "home": (
        "furniture sale", "candle workshop", "garden center", "plant shop", "paint range",
        "kitchen makeover", "wooden table", "pet hotel", "dog park", "cat cafe", "flower stall",
        "cleaning service", "reading lamp", "moving sale", "rug collection", "balcony garden",
        "baby shower", "wedding venue", "toy store", "soap bar",
    ),
}

ADJECTIVES = (
    "new", "first", "annual", "weekly", "tiny", "cozy", "bright", "quiet", "open", "local",
    "handmade", "vegan", "seasonal", "limited", "free", "fresh", "spicy", "slow", "late-night",
    "early", "secret", "family-run", "eco-friendly", "pop-up", "virtual", "outdoor", "indoor",
    "vintage", "modern", "rustic", "colorful", "simple", "bold", "beloved", "winter", "summer",
    "spring", "autumn", "holiday", "weekend", "sunrise", "midnight", "student", "two-day",
    "solar-powered", "zero-waste", "gluten-free", "award-winning", "hidden", "second", "third",
    "monthly", "historic", "minimalist", "rainy-day", "downtown", "beginner", "advanced",
    "all-day",
)

PLURALS: dict[str, tuple[str, ...]] = {
    "food": (
        "cookies", "cinnamon rolls", "smoothie bowls", "dumplings", "pickles", "cupcakes",
        "salads", "croissants", "pancakes",
    ),
    "fitness": (
        "resistance bands", "running shoes", "yoga mats", "protein snacks", "bike lights",
        "stretching routines",
    ),
    "tech": (
        "headphones", "phone cases", "smart plugs", "release notes", "drones", "product updates",
        "laptop stands",
    ),
    "travel": (
        "train tickets", "travel mugs", "backpacks", "postcards", "day trips", "weekend breaks",
        "tents",
    ),
    "fashion": (
        "sneakers", "earrings", "wool socks", "rain boots", "tote bags", "sweaters", "bracelets",
        "scarves",
    ),
    "art": (
        "film photos", "watercolor cards", "ceramic mugs", "art prints", "vinyl records",
        "short stories", "posters",
    ),
    "business": (
        "office hours", "gift cards", "job openings", "team values", "client stories",
        "quarterly goals",
    ),
    "community": (
        "volunteers", "street games", "story hours", "food donations", "rescue dogs", "open days",
    ),
    "home": (
        "candles", "house plants", "storage boxes", "garden tools", "wooden toys",
        "flower bouquets", "curtains",
    ),
}

GERUNDS: dict[str, tuple[str, ...]] = {
    "food": (
        "baking bread", "growing herbs", "cooking for friends", "brewing coffee",
        "eating more vegetables",
    ),
    "fitness": (
        "running before work", "lifting weights", "training for a race", "walking every day",
        "sleeping better",
    ),
    "tech": (
        "learning to code", "building side projects", "switching to dark mode",
        "writing clean code", "testing new ideas",
    ),
    "travel": (
        "packing light", "traveling alone", "working from the beach", "taking the slow train",
        "planning a trip",
    ),
    "fashion": (
        "mending old clothes", "dressing for rain", "buying less", "mixing patterns",
        "choosing good shoes",
    ),
    "art": (
        "painting outdoors", "reading at night", "learning the piano", "shooting on film",
        "keeping a journal",
    ),
    "business": (
        "hiring a first employee", "saying no to meetings", "asking for feedback",
        "running a small shop", "leading a team",
    ),
    "community": (
        "planting trees", "volunteering on weekends", "meeting the neighbors", "adopting a dog",
        "sharing tools",
    ),
    "home": (
        "decluttering the kitchen", "raising puppies", "keeping plants alive", "painting a room",
        "moving to a new city",
    ),
}

PLACES = (
    "on Mill Street", "in Lisbon", "by the river", "in the old town", "at the harbor",
    "near the park", "in Osaka", "on the rooftop", "in our garden", "at the station", "in Denver",
    "on Main Street", "in the library", "at the lake", "in Nairobi", "downtown", "in the Alps",
    "at the museum", "in Porto", "on Fifth Avenue", "in Melbourne", "next door", "in the basement",
    "at the market hall",
)

ENDINGS = (
    "for beginners", "for kids", "for busy parents", "for dog owners", "this Friday",
    "this weekend", "next month", "in 2027", "for small teams", "with friends", "under 20 dollars",
    "for night owls", "on a budget", "from scratch", "for two", "after work", "on Sunday morning",
    "at 7 pm", "for first-time founders", "with a twist", "for remote teams", "in 10 minutes",
    "before winter",
)

FIRST_NAMES = (
    "Nora", "Otto", "Maya", "Leo", "Ines", "Hugo", "Zara", "Felix", "Amara", "Jonas", "Priya",
    "Mateo", "Lucia", "Kenji", "Freya", "Omar", "Clara", "Theo", "Yuki", "Rosa", "Emil", "Aisha",
    "Bruno", "Wren",
)

BUSINESS_NOUNS = (
    "Coffee", "Studio", "Bakery", "Books", "Labs", "Kitchen", "Cycles", "Garden", "Market",
    "Records", "Yoga", "Goods", "House", "Press", "Gallery", "Foods", "Outfitters", "Robotics",
    "Travel", "Cinema", "Ceramics", "Fitness", "Works", "Collective",
)

ONSETS = (
    "b", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gl", "gr", "h", "j", "k", "kl", "l",
    "m", "n", "p", "pl", "qu", "r", "s", "sh", "sk", "sl", "st", "str", "t", "th", "tr", "v", "w",
    "x", "y", "z", "zh", "",
)
VOWELS = (
    "a", "e", "i", "o", "u", "ai", "ea", "io", "oo", "ou", "y", "ie", "é", "ü", "ø",
)
CODAS = (
    "", "", "", "n", "r", "l", "m", "s", "t", "x", "nd", "rk", "sh", "v", "k", "lt", "ng", "ck",
    "z", "p", "mp",
)

AUDIENCES = (
    "students", "young parents", "freelancers", "coffee lovers", "small business owners",
    "designers", "runners", "teachers", "founders", "dog owners", "engineers", "foodies",
    "travelers", "nurses", "gamers", "book lovers", "remote workers", "home cooks", "job seekers",
    "creators", "beginners", "marketing teams", "retirees", "musicians", "gardeners",
    "new managers", "shoppers", "locals", "cyclists",
)

KEYWORDS = (
    "quality", "community", "handmade", "local", "fun", "weekend", "fresh ideas", "sustainability",
    "comfort", "design", "teamwork", "speed", "style", "balance", "family", "energy", "flavor",
    "trust", "growth", "creativity", "simplicity", "adventure", "focus", "learning", "joy",
    "value", "service", "nature", "music", "craft", "early access", "free shipping",
    "good company", "fair prices", "small batches",
)

SIGNS = (
    "Q9", "9%", "#9", "&", "2.9", "A/B", "(9)", "$9", "9 vs 9", "v9", "9:30", "+", "-", "19th",
    "C++", "no. 9",
)
