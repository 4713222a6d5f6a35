# What every file of this folder begins with; a run says what differs.
name = "vision"
models = {
  logos = {
    project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
    project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
    schedule_expression = "cron(0 * * * ? *)"
  }
  parts = {
    project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/parts/1700000000000"
    project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/parts/version/parts.1/1700000000001"
    schedule_expression = "cron(20 * * * ? *)"
  }
  plants = {
    project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/plants/1700000000000"
    project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/plants/version/plants.1/1700000000001"
    schedule_expression = "cron(40 * * * ? *)"
  }
}
