variable "endpoint" {
  description = "URL of an emulator, such as http://127.0.0.1:4566; null: AWS, with the credentials of the environment."
  type        = string
  default     = null

  validation {
    condition     = var.endpoint == null ? true : can(regex("^https?://[^/ ]+/?$", var.endpoint))
    error_message = "endpoint must be null or a URL without a path, such as http://127.0.0.1:4566."
  }
}

variable "region" {
  description = "Region of the model and of everything else."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  default     = "labels"
  nullable    = false
}

variable "project_arn" {
  description = "ARN of the Custom Labels project."
  type        = string
  nullable    = false
}

variable "project_version_arn" {
  description = "ARN of the trained model."
  type        = string
  nullable    = false
}
