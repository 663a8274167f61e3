"""What every route of the site asks for. A new route needs a line here; a changed permission changes one."""

# method, path, door, permission; read docs/annotation.md for what the permissions mean
ROUTES = """
GET / page signed in
GET /join open public
POST /join open public
GET /login open public
POST /login open public
POST /logout page signed in
GET /password page signed in
POST /password page signed in

GET /guideline page rate
POST /guideline/read page rate
GET /me page rate
GET /task page rate
POST /task/draft page rate
GET /task/feedback page rate
POST /task/heartbeat page rate
POST /task/submit page rate
POST /task/undo page rate

GET /manage page read
GET /manage/annotators page read
GET /manage/annotators/{user_id} page read
POST /manage/annotators/{user_id} page manage
GET /manage/audit page manage
GET /manage/deliveries page manage
POST /manage/deliveries page manage
GET /manage/export page read
GET /manage/export/audit.jsonl page manage
GET /manage/export/{name}.jsonl page read
GET /manage/people page people
POST /manage/people page people
POST /manage/people/invitations/{invitation_id}/revoke page people
GET /manage/people/{user_id} page people
POST /manage/people/{user_id} page people
POST /manage/people/{user_id}/join page people
POST /manage/people/{user_id}/password page people
POST /manage/people/{user_id}/tokens page people
POST /manage/people/{user_id}/tokens/{token_id}/revoke page people
GET /manage/review page review
GET /manage/review/{task_id:path} page review
POST /manage/review/{task_id:path} page review
GET /manage/settings page manage
POST /manage/settings page manage
GET /manage/settings/guideline page manage
POST /manage/settings/guideline page manage
GET /manage/settings/new page manage
POST /manage/settings/new page manage
GET /manage/settings/tasks page manage
POST /manage/settings/tasks page manage

POST /api/v1/claim api rate
POST /api/v1/draft api rate
POST /api/v1/heartbeat api rate
POST /api/v1/invitations api people
DELETE /api/v1/invitations/{invitation_id} api people
GET /api/v1/openapi.json open public
GET /api/v1/projects api read
POST /api/v1/projects api manage
GET /api/v1/projects/{project_id} api read
GET /api/v1/projects/{project_id}/agreement api read
PUT /api/v1/projects/{project_id}/guideline api manage
GET /api/v1/projects/{project_id}/members api read
POST /api/v1/projects/{project_id}/members api people
GET /api/v1/projects/{project_id}/preferences api read
GET /api/v1/projects/{project_id}/progress api read
GET /api/v1/projects/{project_id}/ratings api read
PUT /api/v1/projects/{project_id}/settings api manage
POST /api/v1/projects/{project_id}/tasks api manage
POST /api/v1/skip api rate
GET /api/v1/status api rate
POST /api/v1/submit api rate
POST /api/v1/tokens api signed in
DELETE /api/v1/tokens/{token_id} api signed in
POST /api/v1/undo api rate
POST /api/v1/users api people
"""
