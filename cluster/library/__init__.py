"""The post library: drafts, versions, approval, schedules, search; and what came of posts."""
