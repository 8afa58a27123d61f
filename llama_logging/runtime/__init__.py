"""What is needed of the interpreter and of the operating system, whatever an application has made of them.

forks, background, native  processes and threads
signals, tasks             signals and asyncio's tasks, which stay the application's
slots                      what an exception holds, whatever its class pretends
room                       what to do without stack or memory
state                      where this user's files are kept
"""
