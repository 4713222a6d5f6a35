# What every file of this folder begins with; a run says what differs.
endpoint            = "http://127.0.0.1:4566"
project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
name                = "logos"
