"""Ways to ask: free-form requests, drafts to rewrite, edits of an answer, and small talk."""

CAPTION_ASKS = (
    "Write {a_style} {platform} {noun} about {t}",
    "Write {a_platform} {noun} about {t}",
    "{platform} {noun} about {t}",
    "{noun} for {t} please",
    "Give me {a_platform} {noun} on {t}",
    "Can you write {a_style} {noun} about {t}?",
    "I need {a_platform} {noun} for {t}",
    "Please write {a_style} {noun} for {platform} about {t}",
    "write {a_platform} {noun} about {t}",
    "Help me post about {t} on {platform}",
    "{a_style_up} {platform} {noun}: {t}",
    "Make {a_style} {platform} {noun} about {t}",
    "What should I post on {platform} about {t}?",
    "Create {a_platform} {noun} about {t}",
    "Draft {a_style} {noun} about {t}",
    "{t}",
    "{platform}: {t}",
    "Topic: {t}",
    "I want to post about {t}",
    "Say something {style} about {t}",
    "Generate {a_style} {noun} about: {t}",
    "Could you come up with {a_platform} {noun} about {t}?",
    "announce {t} on {platform}",
    "Write something about {t}",
    "Write {a_style} {noun} on {t}",
    "hi, can you write {a_platform} {noun} about {t}",
    "Hello! Please write {a_style} {noun} about {t}",
    "short {noun} about {t}",
)

DRAFTS = (
    "we have {t}. come and see.",
    "{t} {is} here.",
    "There is {t} and you should come.",
    "I want to tell you about {t}.",
    "We made {t}. It is good.",
    "News: {t}. Please share.",
    "~{t}",
    "~New: {t}. Come by.",
    "Everyone should know about {t}.",
    "Today we talk about {t}. It took a long time.",
    "We worked on {t} for months and now it is done.",
    "Please look at {t}, we like it.",
    "Hello everyone, this is about {t}.",
    "~Update on {t}. More soon.",
    "I think {t} {is} nice and you will like it too.",
)

REWRITE_ASKS = (
    "Rewrite this: {draft}",
    "Make this better: {draft}",
    "Improve this draft for {platform}: {draft}",
    "Make it {style}: {draft}",
    "Optimize this {platform} post: {draft}",
    "Can you rewrite this in {a_style} way? {draft}",
    "Polish this: {draft}",
)

EDITS: dict[str, tuple[str, ...]] = {
    "shorter": (
        "Shorter",
        "Make it shorter",
        "shorter please",
        "Too long, cut it down.",
        "Can you shorten it?",
    ),
    "longer": (
        "Longer",
        "Make it longer",
        "Add more detail",
        "A bit longer please.",
        "Can you say more?",
    ),
    "style": (
        "Make it more {style}",
        "More {style} please",
        "Can you make it {style}?",
        "Now {a_style} version",
        "Rewrite it in {a_style} style.",
    ),
    "tone": ("Use {a_tone} tone", "Make the tone {tone}", "Sound more {tone}", "More {tone}"),
    "question": (
        "Add a question",
        "End with a question",
        "Can you add a question?",
        "Ask the readers something.",
    ),
    "add hashtags": ("Add {n} hashtags", "Add hashtags, {n} of them", "With {n} hashtags please"),
    "no hashtags": ("No hashtags", "Remove the hashtags", "Without hashtags please"),
    "no emoji": ("No emoji", "Remove the emoji", "Without emojis please", "no emojis"),
    "add emoji": ("Add emoji", "Add some emoji", "With emojis please", "Add an emoji"),
    "call": ("Add a call to action", "Tell people what to do", "End with a call to action"),
    "again": (
        "Another one",
        "Give me another version",
        "Try again",
        "Something different please",
        "One more",
    ),
    "topic": ("Now about {t2}", "Same for {t2}", "Do one about {t2}", "And one for {t2}"),
    "platform": (
        "Make it fit {platform}",
        "Now for {platform}",
        "Turn it into {a_platform} {noun}",
    ),
}

ABOUT = (
    "I am Nano, a small demo model shipped with Mobula. I write short captions and posts.",
    "I am Nano, the tiny model that comes with Mobula. "
    "Name a topic, and I will write a caption about it.",
    "My name is Nano. "
    "I am a small demo model for social media texts, made to try Mobula without a download.",
)
CANNOT = (
    "I am only a small demo model, so I can't answer that. "
    "Give me a topic, and I will write a caption about it.",
    "That is beyond me. I am Nano, a tiny model that only writes captions and posts.",
    "I don't know. I only write short social media texts. Which topic would you like?",
)
HELLO = (
    "Hello! Which topic should I write about?",
    "Hi! Tell me a topic and a platform, and I will write a caption.",
    "Hello! I write captions and posts. What is yours about?",
)
THANKS = ("You are welcome!", "Happy to help. Another topic?", "Any time. Shall I write one more?")

SMALL_TALK: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("Hello", "Hi", "Hey", "hello there", "Good morning", "hi!", "Hey Nano", "Good evening"),
        HELLO,
    ),
    (
        ("Thanks", "Thank you", "thanks!", "Great, thank you", "Perfect, thanks", "Nice", "Cool"),
        THANKS,
    ),
    (
        (
            "Who are you?",
            "What are you?",
            "What is your name?",
            "Are you ChatGPT?",
            "Which model are you?",
            "Tell me about yourself",
            "What can you do?",
            "Are you human?",
            "who made you",
            "How big are you?",
            "Help",
            "What is Mobula?",
            "Are you a real AI?",
        ),
        ABOUT,
    ),
    (
        (
            "What is the capital of France?",
            "What is 2 + 2?",
            "Who won the World Cup?",
            "What is the weather today?",
            "Tell me a joke",
            "Write Python code",
            "Translate hello into German",
            "What time is it?",
            "Who is the president?",
            "Explain quantum physics",
            "Solve 3x = 12",
            "What is the meaning of life?",
            "How tall is Mount Everest?",
            "Write a sorting function",
            "What is the price of gold?",
            "How do I fix my car?",
            "Recommend a movie",
            "Why is the sky blue?",
            "What is love?",
            "Summarize the news",
            "When was Rome founded?",
            "Is it going to rain tomorrow?",
            "How many people live in Japan?",
            "Give me medical advice",
            "What is a neutron star?",
        ),
        CANNOT,
    ),
)
