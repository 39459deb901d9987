"""Grammar: a seeded generator of social posts. In: a `random.Random`. Out: chats whose answers obey
their own requests.
"""
