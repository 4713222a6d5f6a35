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

variable "emails" {
  description = "Who gets the mails. Each has to confirm the mail that AWS sends after the apply."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alert_labels" {
  description = "Labels that somebody wants to know of at once, with the confidence from which a mail is sent."
  type        = map(number)
  default     = { logo = 95 }
  nullable    = false
}
