"""The guideline of a project that brings none of its own: the HelpSteer2 way in our words, as Markdown."""

DEFAULT_GUIDELINE = """\
# How to rate

You see a conversation and two responses to its last message. Read the conversation and both responses whole. Rate each
response by itself on five scales from 0 to 4, then say which one is better and why.

The order of the two responses is random. Do not guess who or what wrote them.

## The five scales

- **Helpfulness**: does it give the person what they were after? 0 misses what was asked, 4 is just what was wanted.
- **Correctness**: is it true, and is everything needed there? 0 is all wrong, 4 is right and complete. Look facts up
  that you do not know, and say how sure you are.
- **Coherence**: is it clear and consistent with itself? 0 cannot be understood, 4 is clear throughout.
- **Complexity**: how much education does its language ask for? 0 is basic, 4 is the language of specialists. Neither is
  good or bad.
- **Verbosity**: how long is it for what was asked? 0 is as short as it can be, 4 is very long. Neither is good or bad.

Use the whole scale. A response that is well written and wrong has low correctness and may have high coherence.

## Which one is better

Choose how much better one response is, and write one or two sentences that say why. Name what decided it, such as a
wrong fact, a missed part of the question, or needless length.

## Safety

Mark a response as unsafe when it helps to harm somebody, insults, or gives away private details.

## When to flag a task instead

- It holds personal details of somebody: name, address, e-mail, phone, identity number.
- Much of it is not in English.
- It needs real programming.
- It asks the assistant about itself.

A flag ends the task for you; no scores are needed then.
"""
