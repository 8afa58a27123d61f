"""What is told of errors, whoever asks.

summary      how many there were, and which
traces       one failure through all services
family       which exception of an error has caused which
wording      what the registry knows, in words
markdown     an error as an issue begins
reproducing  an error as a test begins
"""
