"""What the black-box tests share: MongoDB, running instances, clients, and the check of every answer."""
