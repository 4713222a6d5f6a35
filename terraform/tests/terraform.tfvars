# What every file of this folder begins with; a run says what differs.
project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.2024-01-31/1700000000001"
package_dir         = "./tests/packages"
alarm_emails        = []
