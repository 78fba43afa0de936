"""The endpoints of OpenAI's API, one small file each. They build requests and name the answer's
type; sending is the client's."""
