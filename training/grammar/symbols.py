"""Phrases that any style may use inside a sentence; a template names them in braces and they may
nest.
"""

# fmt: off
SYMBOLS: dict[str, tuple[str, ...]] = {
    "moment": (
        "a slow Sunday", "the middle of the week", "your next free hour", "a rainy afternoon",
        "the end of a long day", "a bright morning", "the first warm evening", "your lunch break",
        "a quiet Monday", "the walk home", "a lazy Saturday", "the last hour of the day",
        "{season} mornings", "{season} evenings", "days like this", "one of those weeks",
    ),
    "season": ("spring", "summer", "autumn", "winter", "weekend", "holiday"),
    "feeling": (
        "pure joy", "a deep breath", "a small celebration", "coming home", "a good song",
        "the first day of summer", "a long-awaited hug", "a fresh page",
        "sunlight through the window", "a favorite sweater", "good news", "an inside joke",
        "a little victory",
    ),
    "people": (
        "your best friend", "the whole crew", "someone you miss", "your favorite person",
        "the group chat", "your sister", "a neighbor", "your coworkers",
        "the one who always says yes", "your team", "that friend who is always late",
        "your future self",
    ),
    "adjective": (
        "honest", "simple", "bright", "warm", "quiet", "fresh", "good", "lovely", "clever", "easy",
        "real", "gentle", "rare", "kind",
    ),
    "quality": (
        "patience", "care", "curiosity", "courage", "a sense of humor", "good company",
        "a steady hand", "attention to detail", "time", "an open mind", "heart", "practice",
        "a little luck", "trust", "honest feedback",
    ),
    "number": ("two", "three", "four", "five", "six", "seven", "ten", "twelve"),
    "time": (
        "today", "this week", "this morning", "tonight", "this month", "right now", "this season",
        "these days", "lately",
    ),
    "when": ("today", "tonight", "this week", "this weekend", "tomorrow", "on Friday", "soon"),
    "past": (
        "last week", "a year ago", "last spring", "on a rainy Tuesday", "three years ago",
        "last night", "at six in the morning", "one summer", "the other day", "back in {month}",
    ),
    "month": (
        "January", "March", "April", "May", "June", "August", "September", "October", "November",
    ),
    "place": (
        "the kitchen table", "a crowded train", "the back of a notebook", "a borrowed garage",
        "the corner of a cafe", "a long walk", "the last row of the bus", "a quiet hallway",
        "an empty room", "a park bench",
    ),
    "small": (
        "a small step", "one honest try", "ten quiet minutes", "one brave question",
        "a little courage", "one good idea",
    ),
    "result": (
        "a better day", "a calmer week", "fewer surprises", "more time for what matters",
        "a clear head", "real progress", "a lighter mood", "happier people", "stronger habits",
        "a good story", "new friends",
    ),
    "group": ("team", "group", "crew", "circle", "community"),
    "skill": (
        "listening", "planning", "asking", "resting", "sharing", "noticing", "starting",
        "finishing", "measuring", "trying again",
    ),
    "lots": (
        "plenty of", "a lot of", "more than enough", "a healthy dose of",
        "just the right amount of",
    ),
}

EMOJI: dict[str, tuple[str, ...]] = {
    "casual": ("😊", "✌️", "🙌", "😎", "🌿", "👋", "💛"),
    "professional": ("📈", "💡", "🤝", "✅", "📌", "🚀"),
    "playful": ("😂", "🎉", "🤪", "🙈", "🦄", "🎈", "😜"),
    "inspirational": ("✨", "🌟", "💫", "🌅", "💪", "🌱"),
    "storytelling": ("📖", "🕯️", "🌙", "💭", "🍂", "🎬"),
    "promotional": ("🔥", "🎁", "🛍️", "⚡", "📣", "🎯"),
    "educational": ("💡", "📚", "🧠", "📝", "🔍", "✏️"),
    "minimal": ("🤍", "🌿", "☁️", "✨", "🖤"),
    "food": ("☕", "🍕", "🥐", "🍜", "😋", "🍰"),
    "fitness": ("💪", "🏃", "🚴", "🧘", "🏆"),
    "tech": ("💻", "📱", "🤖", "🚀", "⚙️"),
    "travel": ("✈️", "🌍", "🏔️", "🏖️", "🧳"),
    "fashion": ("👗", "👟", "🧣", "💎", "🧵"),
    "art": ("🎨", "🎶", "📷", "🎭", "🖌️"),
    "business": ("📊", "🤝", "💼", "📈", "🗓️"),
    "community": ("💚", "🤗", "🏡", "🌳", "🙏"),
    "home": ("🪴", "🏡", "🛋️", "🌸", "🐶"),
}

STYLE_TAGS: dict[str, tuple[str, ...]] = {
    "casual": ("GoodVibes", "JustBecause", "WeekendMood", "SimpleThings", "DailyJoy", "HappyDays"),
    "professional": (
        "Leadership", "Growth", "Teamwork", "Innovation", "FutureOfWork", "Strategy", "Careers",
    ),
    "playful": ("FunTimes", "JustForFun", "SmileMore", "PlayAllDay", "LaughOutLoud", "MoodBoost"),
    "inspirational": (
        "DreamBig", "KeepGoing", "Inspiration", "StartToday", "BelieveInYou", "OneStepAtATime",
    ),
    "storytelling": (
        "StoryTime", "TrueStory", "BehindTheScenes", "SmallStories", "OnceUponATime", "RealLife",
    ),
    "promotional": (
        "NewArrival", "DontMissOut", "LimitedTime", "SpecialOffer", "ShopNow", "MustHave",
    ),
    "educational": (
        "LearnSomethingNew", "QuickTips", "DidYouKnow", "HowTo", "LearningDaily", "TipOfTheDay",
    ),
    "minimal": ("Minimal", "LessIsMore", "Simple", "Calm", "Slow"),
}

PLATFORM_TAGS: dict[str, tuple[str, ...]] = {
    "instagram": ("InstaDaily", "PhotoOfTheDay", "InstaGood"),
    "linkedin": ("LinkedInCommunity", "WorkLife", "Networking"),
    "x": ("NowReading", "Today", "Thread"),
    "facebook": ("Community", "Friends", "Together"),
    "tiktok": ("ForYou", "TikTokFinds", "LearnOnTikTok"),
    "threads": ("ThreadsDaily", "OpenThread"),
    "pinterest": ("PinIdeas", "Inspo", "SaveForLater"),
    "youtube": ("NewVideo", "YouTubeCreators", "WatchNow"),
}

DOMAIN_TAGS: dict[str, tuple[str, ...]] = {
    "food": ("Foodie", "EatLocal", "FoodLovers", "TasteThis", "HomeCooking"),
    "fitness": ("FitLife", "MoveMore", "WorkoutMotivation", "HealthyHabits", "GetMoving"),
    "tech": ("TechNews", "BuildInPublic", "Productivity", "Startups", "Tools"),
    "travel": ("TravelMore", "Wanderlust", "Explore", "WeekendTrip", "OnTheRoad"),
    "fashion": ("StyleInspo", "OutfitIdeas", "SlowFashion", "NewLook", "Wardrobe"),
    "art": ("ArtLovers", "Creative", "SupportArtists", "Culture", "MakeArt"),
    "business": ("SmallBusiness", "Entrepreneurship", "Hiring", "BusinessTips", "Work"),
    "community": ("GiveBack", "Neighbors", "LocalLove", "Volunteer", "BetterTogether"),
    "home": ("HomeSweetHome", "CozyHome", "PlantPeople", "PetLovers", "MakeItYours"),
}
