# What every file of this folder begins with; a run says what differs.
name      = "labels-source-123456789012-us-east-1"
partition = "aws"
